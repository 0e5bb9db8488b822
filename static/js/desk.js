// Keys and dragging for the desk. Each of them presses something that can be clicked as well.
(() => {
  "use strict"
  const typing = (element) => element.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")
  const way = "a[href], button:not(:disabled)"
  const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.querySelector(way))
  const move = (by) => {
    const all = rows()
    if (!all.length) return
    const at = all.findIndex((row) => row.contains(document.activeElement))
    const row = all[Math.min(all.length - 1, Math.max(0, at === -1 ? (by > 0 ? 0 : all.length - 1) : at + by))]
    row.querySelector(way).focus()
  }
  // A key of a row: in the row itself, else in the other row of the same line, where a page has two.
  const inRow = (row, key) => {
    if (!row) return null
    const wanted = `[data-row-key="${key}"]`
    const line = row.dataset.line
    return row.querySelector(wanted) || (line && document.querySelector(`[data-line="${CSS.escape(line)}"] ${wanted}`))
  }
  const press = (element) => {
    if (!element.hasAttribute("data-key-focus") && element.matches("a, button, [type=radio], [type=checkbox]")) element.click()
    else if (element.select) element.select()
    if (element.hasAttribute("data-key-focus") || !element.matches("a, button")) element.focus()
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
      const key = CSS.escape(event.key)
      const pressed = inRow(event.target.closest("[data-row]"), key) || document.querySelector(`[data-key="${key}"]`)
      if (!pressed || document.querySelector("dialog[open]")) return
      press(pressed)
    }
    event.preventDefault()
  })

  // ---------------------------------------------------------------- units added and taken back without a round trip each
  // A button inside [data-units] that is named more, all or none and whose value names a field changes that field.
  // What is on its way is given up first: its answer would undo what has been pressed meanwhile.
  const wanted = { more: (now, most) => Math.min(most, now + 1), all: (now, most) => Math.max(most, now), none: () => 0 }
  document.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element ? event.target.closest("[data-units] button") : null
    const field = pressed && Object.hasOwn(wanted, pressed.name) && pressed.form.elements.namedItem(pressed.value)
    if (!field) return
    event.preventDefault()
    event.stopPropagation()
    const now = Number(field.value) || 0
    const most = field.dataset.all ? Number(field.dataset.all) : Number(field.max || field.dataset.max)
    const next = field.dataset.all && pressed.name === "more" ? most : wanted[pressed.name](now, most)
    if (pressed.name === "none") {
      const back = document.getElementById(pressed.value.replace("cancel-", "add-"))
      if (back) back.focus()
    }
    if (next === now) return
    field.value = next
    field.dispatchEvent(new Event("change", { bubbles: true }))
  }, true)
  document.addEventListener("change", (event) => {
    const live = event.target.matches("input") && event.target.closest("[data-units]")
    if (live) live.dispatchEvent(new CustomEvent("htmx:abort", { bubbles: true, detail: { elt: live } }))
  })

  // ---------------------------------------------------------------- dragging: a drop presses the button of what was dragged
  // [data-drag] names a field; [data-drop] is the name of the button that takes it: "more" there, "none" back.
  let dragged = ""
  const place = (event) => {
    const zone = event.target instanceof Element ? event.target.closest("[data-drop]") : null
    return zone && dragged && button(zone.dataset.drop) ? zone : null
  }
  const button = (name) => document.querySelector(`button[name="${CSS.escape(name)}"][value="${CSS.escape(dragged)}"]`)
  const leave = () => document.querySelectorAll(".is-over").forEach((zone) => zone.classList.remove("is-over"))
  document.addEventListener("dragstart", (event) => {
    const item = event.target instanceof Element ? event.target.closest("[data-drag]") : null
    if (!item) return
    dragged = item.dataset.drag
    event.dataTransfer.effectAllowed = "move"
    event.dataTransfer.setData("text/plain", dragged)
    item.classList.add("is-dragged")
  })
  document.addEventListener("dragover", (event) => {
    const zone = place(event)
    leave()
    if (!zone || zone.contains(document.querySelector(".is-dragged"))) return
    event.preventDefault()
    zone.classList.add("is-over")
  })
  document.addEventListener("drop", (event) => {
    const zone = place(event)
    if (!zone || zone.contains(document.querySelector(".is-dragged"))) return
    event.preventDefault()
    button(zone.dataset.drop).click()
  })
  document.addEventListener("dragend", () => {
    leave()
    document.querySelectorAll(".is-dragged").forEach((item) => item.classList.remove("is-dragged"))
    dragged = ""
  })
})()
