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

  const show = (part) => {
    const at = document.activeElement
    part.querySelectorAll(".live-wait").forEach((one) => one.remove())
    if (at && part.contains(at)) kept.set(part.id, at.id ? `#${CSS.escape(at.id)}` : at.getAttribute("href") ? `a[href="${CSS.escape(at.getAttribute("href"))}"]` : "")
    open.set(part.id, [...part.querySelectorAll("details[open][id]")].map((one) => one.id))
    window.htmx.trigger(part, "desk:changed")
  }
  // An answer that a part asked for by itself brings others with it: those in use wait until they are not.
  let asker = null
  const behind = new Map()
  document.addEventListener("htmx:beforeSwap", (event) => {
    const elt = event.detail.requestConfig && event.detail.requestConfig.elt
    asker = elt && elt.matches && elt.matches("[data-live]") ? elt.id : null
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

  const kept = new Map()
  const open = new Map()
  document.addEventListener("htmx:afterSwap", (event) => {
    asker = null
    const part = event.detail.target && event.detail.target.id ? document.getElementById(event.detail.target.id) : null
    if (!part) return
    for (const id of open.get(part.id) || []) { const fold = document.getElementById(id); if (fold) fold.open = true }
    const wanted = kept.get(part.id)
    const found = wanted && part.querySelector(wanted)
    if (found) found.focus({ preventScroll: true })
    kept.delete(part.id)
    open.delete(part.id)
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
    button.addEventListener("click", () => show(part))
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
