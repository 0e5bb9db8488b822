// The entry of a return by keys alone. Everything here presses or focuses what can be clicked as well.
(() => {
  "use strict"
  const entry = () => document.getElementById("entry")
  const typed = "input:not([type=hidden], [type=file], [type=radio], [type=checkbox], [type=submit]), textarea, select"
  const chosen = "input[type=radio]"
  const fields = () => [...(entry() ? entry().querySelectorAll(`${typed}, ${chosen}`) : [])].filter((field) => field.id)
  const said = (field) => field.matches(chosen) ? field.checked : field.value

  // ---------------------------------------------------------------- what is typed while an answer is on its way stays
  const left = new WeakMap()
  const waiting = new Set()
  let kept = []
  document.addEventListener("htmx:beforeSend", (event) => {
    left.set(event.detail.xhr, new Map(fields().map((field) => [field.id, said(field)])))
  })
  document.addEventListener("htmx:beforeSwap", (event) => {
    const before = left.get(event.detail.xhr)
    if (!before || (event.detail.target && event.detail.target.id === "entry")) return
    // What has a request of its own on the way may be missing in this answer too.
    const own = event.detail.requestConfig && event.detail.requestConfig.elt
    const underWay = (form) => form && form !== own && waiting.has(form.id || form.action)
    kept = fields()
      .filter((field) => before.has(field.id) && (before.get(field.id) !== said(field) || underWay(field.form)))
      .filter((field) => !field.matches(chosen) || field.checked)
      .map((field) => [field.id, field.value, field === document.activeElement])
  })
  // A chosen file was sent, whatever came of it: the field that is kept across answers is empty for the next one.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const form = event.detail.requestConfig && event.detail.requestConfig.elt
    if (form && form.matches && form.matches("[data-entry] form[enctype='multipart/form-data']")) form.reset()
  })
  // What was folded open stays open.
  let unfolded = []
  document.addEventListener("htmx:beforeSwap", (event) => {
    const whole = event.detail.target && event.detail.target.id === "entry"
    unfolded = whole || !entry() ? [] : [...entry().querySelectorAll("details[id][open]")].map((fold) => fold.id)
  })
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of unfolded) {
      const fold = document.getElementById(id)
      if (fold && id !== "address") fold.open = true
    }
    unfolded = []
  })
  document.addEventListener("htmx:afterSwap", () => {
    const again = kept
    kept = []
    for (const [id, value, here] of again) {
      const field = document.getElementById(id)
      if (!field) continue
      if (field.matches(chosen)) {
        if (field.checked || field.value !== value) continue // what that number stood for may be gone
        field.checked = true
      } else {
        if (field.value === value) continue
        field.value = value
      }
      const tell = () => field.dispatchEvent(new Event("change", { bubbles: true }))
      if (here && !field.matches(`select, ${chosen}`)) field.addEventListener("blur", tell, { once: true })
      else setTimeout(tell)
    }
  })

  // What ends the entry takes the whole place: what the page asks for by itself meanwhile would come too late.
  let ending = null
  document.addEventListener("htmx:beforeRequest", (event) => {
    const heading = document.getElementById("heading")
    if (event.detail.elt === heading && ending) event.preventDefault()
    if (!event.detail.target || event.detail.target.id !== "entry") return
    ending = event.detail.xhr
    if (heading) window.htmx.trigger(heading, "htmx:abort")
  })
  document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.xhr === ending) ending = null })

  // ---------------------------------------------------------------- on to the next open question
  let goOn = false
  const go = (link) => {
    const place = document.getElementById(link.hash.slice(1))
    if (!place) return
    for (let fold = place.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true
    if (!place.matches("a[href], button, input, select, textarea, summary, [tabindex]")) place.tabIndex = -1
    place.focus()
    place.scrollIntoView({ block: "nearest" })
  }
  const next = () => {
    const link = document.getElementById("next")
    if (link) go(link)
  }
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-go]") : null
    if (!link) return
    event.preventDefault()
    go(link)
  })
  // A change is only known to the server after its request: until then there may be another question.
  document.addEventListener("change", (event) => {
    const form = event.target.closest && event.target.closest("[data-entry] form[hx-post]")
    if (form) waiting.add(form.id || form.action)
  })
  const answered = (event) => {
    // Whose answer it is says the request: the form itself may have been replaced meanwhile.
    const asked = event.detail.requestConfig && event.detail.requestConfig.elt
    const form = asked && asked.closest && asked.closest("form")
    if (form) waiting.delete(form.id || form.action)
    // What stayed typed is sent again right after an answer: then it is that one which is waited for.
    setTimeout(() => { if (goOn && !waiting.size) { goOn = false; next() } }, 30)
  }
  document.addEventListener("htmx:afterRequest", answered)
  document.addEventListener("keydown", (event) => {
    if (!entry()) return
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      if (!document.getElementById("next")) return
      event.preventDefault()
      if (document.activeElement && document.activeElement.matches(typed)) document.activeElement.blur()
      if (waiting.size) goOn = true
      else next()
    } else if (event.key === "Escape" && event.target.matches && event.target.matches(typed) && entry().contains(event.target)) {
      event.target.blur()
    } else if (event.key === "ArrowDown" && event.target.id === "q") {
      const first = document.getElementById("hit-1")
      if (first) { event.preventDefault(); first.focus() }
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches && event.target.matches(".entry-take")) {
      event.preventDefault()
      const all = [...document.querySelectorAll(".entry-take")]
      const to = all.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)
      if (to < 0) document.getElementById("q").focus()
      else if (all[to]) all[to].focus()
    }
  }, true)

  // ---------------------------------------------------------------- an answer by its own key, or the pointer, goes on
  // Arrow keys only look through the answers: they stay.
  let pointed = 0
  document.addEventListener("pointerdown", () => { pointed = Date.now() }, true)
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !entry() || event.target.matches(typed)) return
    const field = entry().querySelector(`[data-then][data-key="${CSS.escape(event.key)}"]`)
    if (field) setTimeout(() => onward(field))
  }, true)
  document.addEventListener("change", (event) => {
    if (Date.now() - pointed < 600 && event.target.matches("#entry [data-then]")) setTimeout(() => onward(event.target))
  })
  const onward = (field) => {
    const to = document.getElementById(field.dataset.then)
    if (to) to.focus()
  }
})()
