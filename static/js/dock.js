// The dock: one field that always has the focus. Scans wait in a row, so that none is lost while one is answered.
(() => {
  "use strict"
  const field = document.getElementById("dock-scan")
  const frame = document.getElementById("dock-field")
  const live = document.getElementById("dock-live")
  if (!field || !frame || !window.htmx) return
  const form = () => document.getElementById("count")
  const button = document.querySelector("[data-scan]")
  const waiting = []
  let busy = false

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
  const tell = () => {
    const sheet = document.getElementById("sheet")
    if (!sheet || !sheet.dataset.said) return
    live.textContent = ""
    live.textContent = sheet.dataset.said
    frame.classList.remove("is-good", "is-wait", "is-bad")
    void frame.offsetWidth
    frame.classList.add(`is-${sheet.dataset.tone}`)
    beep(sheet.dataset.tone)
  }

  // ---------------------------------------------------------------- one after the other
  const work = async () => {
    if (busy) return
    busy = true
    while (waiting.length) {
      const values = waiting.shift()
      try {
        await htmx.ajax("POST", button.formAction, { source: form(), target: "#sheet", swap: "outerHTML", values })
      } catch { break }
      tell()
      const sheet = document.getElementById("sheet")
      if (sheet && sheet.hasAttribute("data-press-save")) document.getElementById("dock-save").click()
    }
    busy = false
    if (!document.activeElement || document.activeElement === document.body) field.focus()
  }
  const put = (values) => {
    waiting.push(values)
    work()
  }
  document.addEventListener("submit", (event) => {
    const pressed = event.submitter
    if (!pressed || event.target !== form()) return
    if (pressed.hasAttribute("data-scan")) {
      event.preventDefault()
      event.stopImmediatePropagation()
      const text = field.value
      field.value = ""
      field.focus()
      if (text.trim()) put({ scan: text })
    } else if (pressed.hasAttribute("data-press")) {
      event.preventDefault()
      event.stopImmediatePropagation()
      field.focus()
      put({ [pressed.name]: pressed.value, scan: "" })
    }
  }, true)
  document.addEventListener("change", (event) => {
    if (event.target.matches("#sheet [data-change]")) {
      field.focus()
      put({ scan: "" })
    }
  })
  // What is typed on the page and meant for no other field is meant for this one.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1) return
    const at = document.activeElement
    if (at && at.matches("input, textarea, select, [contenteditable]")) return
    if (event.key === " " && at && at.matches("button, summary, a")) return
    field.focus()
  }, true)
  field.focus()
})()
