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
    else if (element.select && !element.matches("textarea")) element.select()
    if (element.hasAttribute("data-key-focus") || !element.matches("a, button")) element.focus()
  }

  // Of chosen rows, a key means all of them.
  const ofChosen = (key) => {
    const button = document.querySelector(`[data-chosen-key="${key}"]`)
    return button && [...button.form.elements].some((one) => one.matches("[type=checkbox]:checked")) ? button : null
  }

  // What keys do stands in the sheet itself ([data-keys]): "g r" is r after g. What a page has of its own comes first.
  const does = {
    search: () => { const field = document.getElementById("desk-search"); if (field) field.select(); return !!field },
    next: () => { move(1); return true },
    previous: () => { move(-1); return true },
    sheet: () => { const sheet = document.getElementById("desk-keys"); sheet.open ? sheet.close() : (list(sheet), sheet.showModal()); return true },
  }
  // The sheet lists what works on this page now: keys of rows where there are rows, and what else its buttons have.
  const works = {
    search: () => !!document.getElementById("desk-search"),
    next: () => rows().length > 0,
    previous: () => rows().length > 0,
    open: () => rows().some((row) => row.querySelector(way).matches("a")),
    row: (key) => !!document.querySelector(`[data-list] [data-row-key="${key}"], [data-list] [data-chosen-key="${key}"]`),
  }
  const called = (element) => {
    if (element.labels && element.labels.length) return element.labels[0].textContent
    const copy = element.cloneNode(true)
    copy.querySelectorAll("kbd").forEach((one) => one.remove())
    return element.getAttribute("aria-label") || copy.textContent
  }
  const list = (sheet) => {
    sheet.querySelectorAll("[data-found]").forEach((one) => one.remove())
    for (const entry of sheet.querySelectorAll("[data-does]")) {
      const may = works[entry.dataset.does]
      entry.hidden = !!may && !may(CSS.escape(entry.dataset.keys))
    }
    const said = new Set([...sheet.querySelectorAll("dl > [data-keys]:not([hidden])")].map((one) => one.dataset.keys))
    for (const element of document.querySelectorAll("main [data-key]")) {
      const key = element.dataset.key
      const name = called(element).replace(/\s+/g, " ").trim()
      if (said.has(key) || !name || !element.getClientRects().length) continue
      said.add(key)
      const entry = document.createElement("div")
      const kbd = document.createElement("kbd")
      entry.dataset.found = ""
      entry.append(document.createElement("dt"), document.createElement("dd"))
      kbd.textContent = key
      entry.firstChild.append(kbd)
      entry.lastChild.textContent = name
      sheet.querySelector("dl").append(entry)
    }
  }
  let first = ""
  const told = (keys) => document.querySelector(`[data-keys="${CSS.escape(keys)}"]`)
  const obey = (entry) => {
    if (!entry) return false
    if (entry.dataset.goes) { window.location.assign(entry.dataset.goes); return true }
    return Object.hasOwn(does, entry.dataset.does) && does[entry.dataset.does]()
  }
  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("desk-search")
    if ((event.ctrlKey || event.metaKey) && event.key === "k" && search) {
      event.preventDefault()
      return search.select()
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return
    const open = document.querySelector("dialog[open]")
    const after = first
    first = ""
    const key = CSS.escape(event.key)
    const pressed = !after && !open && (ofChosen(key) || inRow(event.target.closest("[data-row]"), key) || document.querySelector(`[data-key="${key}"]`))
    if (pressed) press(pressed)
    else if (open && event.key !== "?") return
    else if (after && obey(told(`${after} ${event.key}`))) event.preventDefault()
    else if (!obey(told(event.key))) {
      if (document.querySelector(`[data-keys^="${key} "]`)) first = event.key
      return
    }
    event.preventDefault()
  })

  // An address that ends in a field's name is where somebody wants to write.
  const field = location.hash && document.getElementById(location.hash.slice(1))
  if (field && field.matches("input, textarea, select")) field.focus()

  // ---------------------------------------------------------------- units added and taken back without a round trip each
  // A button inside [data-units] that is named more, all or none and whose value names a field changes that field.
  // An estimate on its way is given up first: its answer would undo what has been pressed meanwhile.
  const wanted = { more: (now, most) => Math.min(most, now + 1), all: (now, most) => Math.max(most, now), none: () => 0 }
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null
    const pressed = button && (button.closest("[data-units]") || (button.form && button.form.matches("[data-units]"))) ? button : null
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
    if (!live || live.closest("[data-entry]")) return // an entry saves: each answer comes, and the next request follows it
    live.dispatchEvent(new CustomEvent("htmx:abort", { bubbles: true, detail: { elt: live } }))
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
