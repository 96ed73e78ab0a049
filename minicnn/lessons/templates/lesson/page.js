// One button for all answers, and none of them is lost on paper.
const folds = document.querySelectorAll("main > details:not(.contents)");
const button = document.getElementById("answers");
const show = (open) => {
  folds.forEach((fold) => { fold.open = open; });
  button.textContent = open ? "Hide the answers" : "Show the answers";
};
button.addEventListener("click", () => show(![...folds].every((fold) => fold.open)));
addEventListener("beforeprint", () => show(true));
