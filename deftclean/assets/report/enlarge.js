
// ---------------------------------------------------------------- a picture in its own window

function startEnlarging() {
  const dialog = element("enlarged");
  const picture = element("enlarged-picture");
  let from = null; // the button that has the focus when the window closes

  function show(button) {
    const card = button.closest(".card");
    from = button;
    picture.src = card.querySelector("img").src;
    picture.alt = card.querySelector("img").alt;
    const title = card.querySelector("h3").textContent.replace(/\s+/g, " ").trim();
    element("enlarged-title").textContent = title;
    element("enlarged-before").disabled = !beside(-1);
    element("enlarged-next").disabled = !beside(1);
  }

  /** The nearest shown card with a picture, in the order of the page. */
  function beside(step) {
    const shown = [...document.querySelectorAll("#cards > li:not([hidden]) [data-enlarge]")];
    return shown[shown.indexOf(from) + step];
  }

  function go(step) {
    const button = beside(step);
    if (button) show(button);
  }

  for (const button of document.querySelectorAll("[data-enlarge]")) {
    button.addEventListener("click", () => {
      show(button);
      dialog.showModal();
      element("enlarged-close").focus();
    });
  }
  element("enlarged-before").addEventListener("click", () => go(-1));
  element("enlarged-next").addEventListener("click", () => go(1));
  element("enlarged-close").addEventListener("click", () => dialog.close());
  picture.addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) go(step);
  });
  dialog.addEventListener("close", () => {
    if (from) from.focus();
    from = null;
  });
}

if (data.rows.length) startEnlarging();
