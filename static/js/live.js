// Parts of the desk that show themselves anew. One small question is asked often; only when something has
// changed is each [data-live] part asked for again, and never one in which somebody is typing.
(() => {
  "use strict"
  const EVERY = 1500
  const LATER = 8000
  let timer = 0
  let pause = EVERY
  const source = () => document.getElementById("pulse")
  const typing = "input:not([type=checkbox], [type=radio], [type=submit], [type=button]), textarea, select, [contenteditable]"

  const changed = (field) => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked
    if (field.tagName === "SELECT") {
      const all = [...field.options]
      const first = !field.multiple && !all.some((one) => one.defaultSelected)  // then it begins with its first
      return all.some((one, n) => one.selected !== (first ? n === 0 : one.defaultSelected))
    }
    return field.type !== "hidden" && field.type !== "submit" && field.value !== field.defaultValue
  }
  const inUse = (part) => {
    const at = document.activeElement
    if (at && part.contains(at) && at.matches(typing)) return true
    return [...part.querySelectorAll("input, textarea, select")].some(changed) || !!part.querySelector("dialog[open]")
  }

  const typed = () => [...document.querySelectorAll("main input, main textarea, main select")].some(changed)

  const show = (part) => {
    part.querySelectorAll(".live-wait").forEach((one) => one.remove())
    window.htmx.trigger(part, "desk:changed")
  }
  // What is the same element in the answer: the one of its id, else the one that leads and reads the same, in its order.
  const like = (one) => [one.tagName, ...["href", "name", "value", "aria-label"].map((name) => one.getAttribute(name)), one.textContent.replace(/\s+/g, " ").trim()].join("|")
  const sameAs = (one, part) => {
    const sign = like(one)
    const nth = [...part.querySelectorAll(one.tagName)].filter((other) => like(other) === sign).indexOf(one)
    const href = one.getAttribute("href")
    return (fresh) => {
      const byId = one.id && fresh.querySelector(`#${CSS.escape(one.id)}`)
      const alike = [...fresh.querySelectorAll(one.tagName)].filter((other) => like(other) === sign)
      return byId || alike[nth] || (href && fresh.querySelector(`a[href="${CSS.escape(href)}"]`)) || null
    }
  }
  // An answer that a part asked for by itself brings others with it: those in use wait until they are not.
  // Where the reader is, and what is unfolded, is looked at when the answer is there: not when it was asked for.
  let asker = null
  let focused = null
  let unfolded = []
  const forced = new Set()
  document.addEventListener("input", () => forced.clear())
  const behind = new Map()
  document.addEventListener("htmx:beforeSwap", (event) => {
    const elt = event.detail.requestConfig && event.detail.requestConfig.elt
    const part = elt && elt.matches && elt.matches("[data-live]") && event.detail.target === elt ? elt : null
    asker = part ? part.id : null
    focused = null
    unfolded = []
    if (!part || !event.detail.shouldSwap) return
    const pressed = forced.delete(part.id)
    if (!pressed && inUse(part)) {
      event.detail.shouldSwap = false
      asker = null
      return wait(part)
    }
    const at = document.activeElement
    const around = at && at.closest("[data-live]")
    if (pressed) focused = { id: part.id, find: (fresh) => { fresh.tabIndex = -1; return fresh } }
    else if (around) focused = { id: around.id, find: sameAs(at, around) }
    unfolded = [...part.querySelectorAll("details[open]")].map((one) => sameAs(one.id ? one : one.querySelector("summary") || one, part))
  })
  // Signed out since: whoever is in the middle of a sentence is told when they send it, and not taken away from it.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const gone = event.target.matches("[data-live]") && event.detail.xhr.getResponseHeader("HX-Redirect")
    if (gone && typed()) event.preventDefault()
  })
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (!asker || !event.detail.target || !inUse(event.detail.target)) return
    event.detail.shouldSwap = false
    behind.set(event.detail.target.id, asker)
  })
  document.addEventListener("focusout", () => setTimeout(() => {
    if (!behind.size || document.querySelector(".htmx-request")) return
    const late = [...behind.keys()].map((id) => document.getElementById(id)).filter(Boolean)
    if (late.some(inUse)) return
    for (const id of new Set(behind.values())) {
      const part = document.getElementById(id)
      if (part) { part.removeAttribute("hx-vals"); show(part) }  // without what it has seen it brings everything
    }
    behind.clear()
  }, 300))

  document.addEventListener("htmx:afterSwap", (event) => {
    const part = asker && event.detail.target && event.detail.target.id === asker ? document.getElementById(asker) : null
    asker = null
    if (!part) return
    for (const find of unfolded) { const fold = find(part); if (fold) fold.closest("details").open = true }
    const around = focused && document.getElementById(focused.id)
    const found = around && (!document.activeElement || document.activeElement === document.body) && focused.find(around)
    if (found) found.focus({ preventScroll: true })
    focused = null
    unfolded = []
  })

  // What came while somebody typed waits behind a button, and comes by itself once nothing is typed any more.
  const wait = (part) => {
    if (part.querySelector(".live-wait")) return
    const from = source()
    const notice = document.createElement("p")
    notice.className = "notice tone-info live-wait"
    notice.setAttribute("role", "status")
    const button = document.createElement("button")
    button.type = "button"
    button.className = "button button-small"
    button.textContent = from.dataset.show
    button.addEventListener("click", () => { forced.add(part.id); show(part) })
    notice.append(from.dataset.waits + " ", button)
    part.prepend(notice)
  }
  document.addEventListener("focusout", () => setTimeout(() => {
    document.querySelectorAll(".live-wait").forEach((one) => {
      const part = one.closest("[data-live]")
      if (part && !inUse(part)) show(part)
    })
  }, 200))

  const refresh = () => document.querySelectorAll("[data-live]").forEach((part) => (inUse(part) ? wait(part) : show(part)))

  const ask = async () => {
    const from = source()
    clearTimeout(timer)
    if (!from || document.hidden || !document.querySelector("[data-live]")) return plan()
    try {
      const answer = await fetch(`${from.dataset.url}?seen=${encodeURIComponent(from.dataset.seen)}`, {
        headers: { Accept: "application/json" }, redirect: "manual", cache: "no-store",
      })
      if (answer.type === "opaqueredirect" && !typed()) return location.reload()  // signed out: say so, show nothing more
      if (answer.status === 200) {
        from.dataset.seen = (await answer.json()).seen
        refresh()
      }
      pause = answer.ok ? EVERY : LATER
    } catch {
      pause = LATER
    }
    plan()
  }
  const plan = () => { timer = setTimeout(ask, pause) }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask() })
  plan()
})()
