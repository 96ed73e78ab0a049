// One button for all answers, and none of them is lost on paper.
const folds = document.querySelectorAll("main > details:not(.contents)");
const button = document.getElementById("answers");
const show = (open) => {
  folds.forEach((fold) => { fold.open = open; });
  button.textContent = open ? "Hide the answers" : "Show the answers";
};
button.addEventListener("click", () => show(![...folds].every((fold) => fold.open)));
addEventListener("beforeprint", () => show(true));

// A prediction stays in this browser. Beside an open answer it can be read, and no longer changed.
document.querySelectorAll(".prediction").forEach((label) => {
  const [name, field] = label.children, fold = label.nextElementSibling;
  const key = `minicnn prediction ${field.dataset.question}`;
  const compare = () => {
    field.readOnly = fold.open;
    name.textContent = fold.open ? (field.value ? "You predicted" : "No prediction") : "Your prediction";
  };
  label.hidden = false;
  try { field.value = localStorage.getItem(key) ?? ""; } catch { /* a browser that keeps nothing */ }
  field.addEventListener("input", () => {
    try { localStorage.setItem(key, field.value); } catch { /* it stays until the page is left */ }
  });
  fold.addEventListener("toggle", compare);
});
