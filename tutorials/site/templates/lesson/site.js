// A figure can be seen large, and the browser's Back closes it.
const large = document.createElement("dialog");
large.setAttribute("aria-label", "The figure, large");
large.append(document.createElement("img"));
document.body.append(large);
const zoomed = () => history.state?.zoomed;
const zoom = () => {
  const image = zoomed() !== undefined && document.querySelectorAll("figure img")[zoomed()];
  if (image) {
    Object.assign(large.firstChild, { src: image.src, alt: image.alt });
    if (!large.open) large.showModal();
  } else if (large.open) large.close();
};
document.querySelectorAll("figure img").forEach((image, at) => {
  const button = document.createElement("button");
  button.className = "zoom";
  button.title = "Show large";
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => { history.pushState({ ...history.state, zoomed: at }, ""); zoom(); });
});
large.addEventListener("click", () => large.close());
large.addEventListener("close", () => { if (zoomed() !== undefined) history.back(); });
addEventListener("popstate", zoom);

// Folds that were open are open again when the reader comes back.
const details = [...document.querySelectorAll("details")];
const opened = history.state?.open ?? [];
details.forEach((fold, at) => {
  if (opened.includes(at)) fold.open = true;
  fold.addEventListener("toggle", () => {
    history.replaceState({ ...history.state, open: details.flatMap((one, at) => (one.open ? [at] : [])) }, "");
  });
});
zoom();

// What scrolls can be reached by the keyboard.
document.querySelectorAll("pre, .html, .formula, table").forEach((box) => {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
});

// A sheet for the teacher becomes one for the class: its questions, without the answers.
const handout = document.getElementById("handout");
handout?.addEventListener("click", () => {
  const parts = [...document.querySelector("main").children], questions = document.getElementById("questions");
  parts.slice(2, parts.indexOf(questions)).forEach((part) => part.classList.add("answer"));
  document.querySelectorAll("#questions + ol strong").forEach((word) => word.closest("p").classList.add("answer"));
  const without = document.body.classList.toggle("handout");
  handout.textContent = without ? "With the answers" : "Without the answers";
});
