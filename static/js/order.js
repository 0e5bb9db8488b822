// Dragging in an ordered list: a drop sends the form of what was dragged, with the place where it fell.
// Every row has buttons that do the same. [data-order] is the list, [data-place] a row.
(() => {
  "use strict"
  let dragged = null
  const row = (event) => (event.target instanceof Element ? event.target.closest("[data-order] > [data-place]") : null)
  const over = (event) => {
    const found = dragged && row(event)
    return found && found !== dragged && found.parentElement === dragged.parentElement ? found : null
  }
  const leave = () => document.querySelectorAll("[data-place].is-over").forEach((item) => item.classList.remove("is-over"))
  document.addEventListener("dragstart", (event) => {
    dragged = row(event)
    if (!dragged) return
    event.dataTransfer.effectAllowed = "move"
    event.dataTransfer.setData("text/plain", dragged.id)
    dragged.classList.add("is-dragged")
  })
  document.addEventListener("dragover", (event) => {
    const found = over(event)
    leave()
    if (!found) return
    event.preventDefault()
    found.classList.add("is-over")
  })
  document.addEventListener("drop", (event) => {
    const found = over(event)
    if (!found) return
    event.preventDefault()
    const form = dragged.querySelector("form")
    const place = document.createElement("input")
    place.type = "hidden"
    place.name = "to"
    place.value = found.dataset.place
    form.append(place)
    form.requestSubmit()
  })
  document.addEventListener("dragend", () => {
    leave()
    if (dragged) dragged.classList.remove("is-dragged")
    dragged = null
  })
})()
