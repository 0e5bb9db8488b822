// Comforts on top of pages that work without any of this. No state is kept here; the server decides.
(() => {
  "use strict"
  const root = document.documentElement
  const say = (name) => root.dataset[name] || ""
  root.dataset.script = ""

  // ---------------------------------------------------------------- htmx: the token, being busy, bad lines
  document.addEventListener("htmx:configRequest", (event) => {
    const token = document.querySelector('meta[name="csrf-token"]')
    if (token && event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = token.content
  })

  const busy = (event, value) => {
    const place = event.detail.target || event.target
    if (value) place.setAttribute("aria-busy", "true")
    else place.removeAttribute("aria-busy")
  }
  document.addEventListener("htmx:beforeRequest", (event) => busy(event, true))
  document.addEventListener("htmx:afterRequest", (event) => {
    busy(event, false)
    if (event.detail.successful) hush()
  })

  let toast = null
  const hush = () => { if (toast) { toast.remove(); toast = null } }
  const warn = (text) => {
    hush()
    toast = document.createElement("div")
    toast.className = "toast"
    toast.setAttribute("role", "alert")
    const close = document.createElement("button")
    close.type = "button"
    close.textContent = say("close")
    close.addEventListener("click", hush)
    toast.append(text, close)
    document.body.append(toast)
  }
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, () => warn(say("offline")))
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status >= 500) warn(say("broken"))
  })

  // ---------------------------------------------------------------- where the reader is after a swap
  const focus = (element) => {
    if (!element.matches("a[href], button, input, select, textarea, [tabindex]")) element.tabIndex = -1
    element.focus({ preventScroll: false })
  }
  // A swap settles one event per new element: look at all of them, once.
  let settled = []
  const find = (selector) => {
    for (const place of settled) {
      if (!place.isConnected) continue
      const found = place.matches(selector) ? place : place.querySelector(selector)
      if (found) return found
    }
    return null
  }
  const arrive = () => {
    const errors = find(".error-summary")
    const prefix = say("error")
    if (errors && prefix && !document.title.startsWith(prefix)) document.title = `${prefix} ${document.title}`
    const wanted = errors || find("[data-autofocus]")
    const whole = settled.some((place) => place === document.body || place.id === "main")
    settled = []
    if (wanted) return focus(wanted)
    if (!whole) return
    window.scrollTo(0, 0)
    const heading = document.querySelector("main h1")
    if (heading) focus(heading)
  }
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!settled.length) setTimeout(arrive)
    for (const place of [event.target, event.detail.target]) if (place instanceof Element) settled.push(place)
  })
  const first = document.querySelector(".error-summary")
  if (first) focus(first)

  // ---------------------------------------------------------------- quantities: minus and plus without a round trip
  const mark = (input) => {
    const box = input.closest(".quantity")
    const value = Number(input.value) || 0
    box.toggleAttribute("data-some", value > 0)
    box.querySelector("[data-step='-1']").disabled = input.disabled || value <= Number(input.min || 0)
    box.querySelector("[data-step='1']").disabled = input.disabled || value >= Number(input.max)
  }
  const markAll = (place) => place.querySelectorAll(".quantity > input").forEach(mark)
  markAll(document)
  document.addEventListener("htmx:afterSettle", (event) => { if (event.target.querySelectorAll) markAll(event.target) })

  document.addEventListener("click", (event) => {
    const step = event.target.closest(".quantity > [data-step]")
    if (!step) return
    event.preventDefault()
    const input = step.parentElement.querySelector("input")
    const wanted = (Number(input.value) || 0) + Number(step.dataset.step)
    input.value = Math.min(Number(input.max), Math.max(Number(input.min || 0), wanted))
    mark(input)
    if (step.disabled) input.focus()
    input.dispatchEvent(new Event("change", { bubbles: true }))
  })
  document.addEventListener("change", (event) => { if (event.target.matches(".quantity > input")) mark(event.target) })

  // ---------------------------------------------------------------- copy, print
  const copied = (button) => {
    const label = button.querySelector("[data-label]") || button
    const before = label.textContent
    label.textContent = say("copied")
    const status = document.getElementById("said")
    if (status) status.textContent = say("copied")
    setTimeout(() => { label.textContent = before }, 2000)
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-print]")
    if (!button) return
    event.preventDefault()
    if (button.hasAttribute("data-print")) return window.print()
    try {
      await navigator.clipboard.writeText(button.dataset.copy)
      copied(button)
    } catch {
      const field = document.createElement("textarea")
      field.value = button.dataset.copy
      document.body.append(field)
      field.select()
      const done = document.execCommand("copy")
      field.remove()
      if (done) copied(button)
      else warn(button.dataset.copy)
      button.focus()
    }
  })

  // ---------------------------------------------------------------- one press is one submission
  // The keys on the server keep a double click harmless; this keeps it quiet.
  document.addEventListener("submit", (event) => {
    const form = event.target
    if (event.defaultPrevented || form.method === "get" || form.target) return
    if (form.hasAttribute("data-sent")) return event.preventDefault()
    form.setAttribute("data-sent", "")
    setTimeout(() => form.removeAttribute("data-sent"), 8000)
  })
  window.addEventListener("pageshow", () => document.querySelectorAll("[data-sent]").forEach((form) => form.removeAttribute("data-sent")))
})()
