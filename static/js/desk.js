// Keys for the desk. Every one of them presses something that can be clicked as well.
(() => {
  "use strict"
  const typing = (element) => element.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")
  const rows = () => [...document.querySelectorAll("[data-row]")]
  const move = (by) => {
    const all = rows()
    if (!all.length) return
    const at = all.findIndex((row) => row.contains(document.activeElement))
    const row = all[Math.min(all.length - 1, Math.max(0, at === -1 ? (by > 0 ? 0 : all.length - 1) : at + by))]
    const link = row.querySelector("a[href], button")
    if (link) link.focus()
  }

  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("desk-search")
    if ((event.ctrlKey || event.metaKey) && event.key === "k" && search) {
      event.preventDefault()
      return search.select()
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return
    const sheet = document.getElementById("desk-keys")
    if (event.key === "/" && search) search.select()
    else if (event.key === "?" && sheet) sheet.open ? sheet.close() : sheet.showModal()
    else if (event.key === "j") move(1)
    else if (event.key === "k") move(-1)
    else {
      const pressed = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)
      if (!pressed || document.querySelector("dialog[open]")) return
      pressed.matches("a, button") ? pressed.click() : pressed.focus()
    }
    event.preventDefault()
  })
})()
