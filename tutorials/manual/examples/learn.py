"""Examples of minicnn.learn. A value after → is what the line gives, and a test compares them."""

from minicnn import learn

# %% Verdict
verdict = learn.check("gram_matrix", lambda A: A.T @ A)
verdict.right, bool(verdict)  # → (False, False)

# %% check
bool(learn.check("gram_matrix", lambda A: A @ A.T))  # → True

# %% check_file
path = learn.start("triplet_loss", "answer.py")
path.write_text(learn.solution("triplet_loss"), encoding="utf-8")
bool(learn.check_file("triplet_loss", path))  # → True

# %% exercises
"gram_matrix" in [row.name for row in learn.exercises()]  # → True

# %% hint
learn.hint("gram_matrix", tier=1)[:13]  # → 'Hint 1 of 3. '

# %% solution
"def gram_matrix" in learn.solution("gram_matrix")  # → True

# %% start
learn.start("gram_matrix").name  # → 'gram_matrix.py'

# %% steps
solved, count = learn.steps()
solved, count > 10  # → (0, True)
