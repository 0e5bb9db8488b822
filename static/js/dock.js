// The dock: one field that always has the focus. Scans wait in a row, so that none is lost while one is answered,
// and none while there is no connection: a scan changes nothing on the server, so it can always be sent once more.
(() => {
  "use strict"
  const field = document.getElementById("dock-scan")
  const frame = document.getElementById("dock-field")
  const live = document.getElementById("dock-live")
  const waits = document.getElementById("dock-waits")
  if (!field || !frame || !window.htmx) return
  const AGAIN = 3000
  const LATER = [502, 503, 504]
  const SAVED = 20000
  const form = () => document.getElementById("count")
  const button = document.querySelector("[data-scan]")
  const waiting = []
  let busy = false
  let saving = false
  let refused = 0
  let timer = 0

  // ---------------------------------------------------------------- seen, heard, read aloud
  let sound = null
  const beep = (tone) => {
    try {
      sound = sound || new AudioContext()
      const tones = tone === "bad" ? [220, 180] : tone === "wait" ? [520, 420] : [880]
      tones.forEach((pitch, at) => {
        const voice = sound.createOscillator()
        const volume = sound.createGain()
        voice.frequency.value = pitch
        volume.gain.value = 0.08
        voice.connect(volume).connect(sound.destination)
        voice.start(sound.currentTime + at * 0.14)
        voice.stop(sound.currentTime + at * 0.14 + 0.1)
      })
    } catch { /* a desk without a loudspeaker still shows it */ }
  }
  const cue = (tone, text) => {
    if (text) {
      live.textContent = ""
      live.textContent = text
    }
    frame.classList.remove("is-good", "is-wait", "is-bad")
    void frame.offsetWidth
    frame.classList.add(`is-${tone}`)
    beep(tone)
  }
  const tell = () => {
    const sheet = document.getElementById("sheet")
    if (sheet && sheet.dataset.said) cue(sheet.dataset.tone, sheet.dataset.said)
  }
  const hold = (text) => {
    waits.textContent = text
    waits.hidden = !text
    if (text) cue("bad", text)
  }

  // ---------------------------------------------------------------- what is typed while an answer is on its way stays
  const fields = () => [...document.querySelectorAll("#sheet :is(input, select, textarea):not([type=hidden], [type=file])")].filter((one) => one.id)
  const chosen = (one) => one.matches("[type=radio], [type=checkbox]")
  const said = (one) => chosen(one) ? one.checked : one.value
  const which = () => { const of = document.querySelector("#count [name=return_id]"); return of ? of.value : "" }
  let sent = null
  let typed = []
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!sent || !event.detail.target || event.detail.target.id !== "sheet") return
    typed = fields().filter((one) => sent.has(one.id) && sent.get(one.id) !== said(one)).map((one) => [one.id, said(one)])
  })
  const putBack = (of) => {
    for (const [id, value] of which() === of ? typed : []) {
      const one = document.getElementById(id)
      if (!one) continue
      if (chosen(one)) one.checked = value
      else one.value = value
    }
    typed = []
  }

  // ---------------------------------------------------------------- one after the other
  document.addEventListener("htmx:responseError", (event) => { refused = event.detail.xhr.status })
  // Photos go with the save, not with every scan.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt !== form()) return
    for (const [name, value] of [...event.detail.formData]) if (value instanceof File) event.detail.formData.delete(name)
  })
  // The page is about to go: what is scanned now would go with it.
  const leave = () => {
    saving = true
    setTimeout(() => { saving = false }, SAVED)
  }
  const work = async () => {
    if (busy || saving) return
    busy = true
    clearTimeout(timer)
    while (waiting.length) {
      const before = document.getElementById("sheet")
      const of = which()
      let answered = true
      refused = 0
      sent = new Map(fields().map((one) => [one.id, said(one)]))
      try {
        await htmx.ajax("POST", button.formAction, { source: form(), target: "#sheet", swap: "outerHTML", values: waiting[0] })
      } catch { answered = false }
      sent = null
      if (!answered || LATER.includes(refused)) {
        hold(frame.dataset.waits)
        timer = setTimeout(work, AGAIN)
        break
      }
      waiting.shift()
      hold("")
      const sheet = document.getElementById("sheet")
      if (sheet === before) { cue("bad"); continue }  // why it was refused stands above
      putBack(of)
      tell()
      if (sheet.hasAttribute("data-press-save")) {
        leave()
        document.getElementById("dock-save").click()
        break
      }
    }
    busy = false
    if (!document.activeElement || document.activeElement === document.body) field.focus()
  }
  const put = (values) => {
    if (saving) return hold(frame.dataset.saving)
    waiting.push(values)
    work()
  }
  window.addEventListener("online", work)
  window.addEventListener("pageshow", () => { saving = false })
  document.addEventListener("submit", (event) => {
    const pressed = event.submitter
    if (!pressed || event.target !== form()) return
    const stop = () => {
      event.preventDefault()
      event.stopImmediatePropagation()
      field.focus()
    }
    if (pressed.hasAttribute("data-scan")) {
      stop()
      const text = field.value
      field.value = ""
      if (text.trim()) put({ scan: text })
    } else if (pressed.hasAttribute("data-press")) {
      stop()
      put({ [pressed.name]: pressed.value, scan: "" })
    } else if (pressed.id === "dock-save" && (busy || waiting.length) && !saving) {
      stop()  // what was scanned before comes first
      put({ scan: "SAVE" })
    } else leave()
  }, true)

  // ---------------------------------------------------------------- what was counted is not left by mistake
  document.addEventListener("click", (event) => { if (event.target.closest("[data-leave]")) leave() })
  window.addEventListener("beforeunload", (event) => {
    const sheet = document.getElementById("sheet")
    if (!saving && (waiting.length || (sheet && sheet.hasAttribute("data-begun")))) event.preventDefault()
  })

  // ---------------------------------------------------------------- the focus comes back to the field
  let pointed = false
  document.addEventListener("pointerdown", () => { pointed = true }, true)
  document.addEventListener("change", (event) => {
    if (event.target.matches("#sheet [data-change]")) {
      field.focus()
      put({ scan: "" })
    } else if (pointed && event.target.matches("#sheet :is(select, [type=checkbox], [type=file])")) field.focus()
  })
  // What is typed on the page and meant for no other field is meant for this one.
  document.addEventListener("keydown", (event) => {
    pointed = false
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1 || event.key === "?") return
    const at = document.activeElement
    if (at && at.matches("input:not([type=radio], [type=checkbox], [type=file]), textarea, select, [contenteditable]")) return
    if (event.key === " " && at && at.matches("button, summary, a, input")) return
    event.stopPropagation()  // a code that begins with n is no key that leads to another page
    field.focus()
  }, true)
  field.focus()
})()
