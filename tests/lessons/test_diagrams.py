"""The lectures' figures: the numbers in them are the models'."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from minicnn import InputError, faces, images, models, nn
from minicnn.cli import main, see
from minicnn.files import program

diagrams = program("diagrams.py")


def words(figure):
    assert isinstance(figure, Figure)
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [axes.get_title(), *(text.get_text() for text in axes.texts)]
    return "\n".join(found)


def test_shapes_of_signals_and_volumes_are_those_of_the_layers():
    for name, layer, shape in (
        ("1d", nn.Conv1d(1, 16, 5), (1, 14, 1)),
        ("3d", nn.Conv3d(1, 16, 5), (1, 14, 14, 14, 1)),
    ):
        said = words(diagrams.diagram(name))
        output = layer(np.zeros(shape, np.float32)).shape[1:]
        assert output in ((10, 16), (10, 10, 10, 16))
        for expected in (shape[1:], output):
            assert " × ".join(map(str, expected)) in said
        assert f"{layer.w.size:,} weights, {layer.b.size} biases" in said


def test_triplet_is_wrong_before_and_right_after_by_the_loss_itself():
    said = words(diagrams.triplet())
    found = [
        [float(number) for number in re.findall(r"= ([\d.]+)", line)] for line in said.split("\n") if "L =" in line
    ]
    (near, far, alpha, loss), (near_after, far_after, _, loss_after) = found
    assert loss == pytest.approx(near - far + alpha, abs=0.02) and loss > 0
    assert loss_after == 0 and far_after >= near_after + alpha - 0.02
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    assert diagrams.triplet_numbers(points) == (1, 4, 0)


@pytest.mark.thorough
def test_siamese_and_pair_head_say_what_tiny_facenet_says():
    model, pictures = models.tiny_facenet(), diagrams._portraits()
    codes = faces.encode(model, np.stack(pictures))
    said = words(diagrams.siamese())
    for other in (1, 2):
        assert f"= {float(faces.distance(codes[0], codes[other])):.2f}: " in said
    assert f"{sum(parameter.size for parameter in model.parameters()):,} weights" in said
    assert "64×64×3" in said and "4×4×256" in said
    answer = float(faces.PairHead("l1", 128).probability(codes[0], codes[1]).data)
    assert f"ŷ = {answer:.2f}" in words(diagrams.pair_head())


def test_gram_matrix_is_that_of_the_rows_beside_it():
    _, rows, matrix = (np.asarray(axes.images[0].get_array()) for axes in diagrams.gram().axes)
    assert rows.shape == (256, 8)
    np.testing.assert_allclose(matrix, rows.T @ rows, rtol=1e-4)


@pytest.mark.thorough
def test_style_lowers_its_cost():
    said = words(diagrams.style())
    before, after = map(float, re.search(r"from ([\d.e+-]+) to ([\d.e+-]+)", said).groups())
    assert after < 0.5 * before and "192×192×3" in said


def test_command_writes_one_and_names_them_all(tmp_path, capsys):
    assert tuple(see.DIAGRAMS) == diagrams.NAMES
    assert main(["see", "diagram", "1d", "-o", str(tmp_path / "1d.png")]) == 0
    assert images.load(tmp_path / "1d.png").shape[2] == 3 and "14×1" in capsys.readouterr().out
    assert main(["see", "diagram", "2d", "-o", str(tmp_path / "2d.png")]) == 2
    assert "name is '2d'; expected one of siamese, triplet" in capsys.readouterr().err
    with pytest.raises(InputError, match="expected one of siamese"):
        diagrams.diagram("2d")
