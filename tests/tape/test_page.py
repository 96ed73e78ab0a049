"""The page: what it holds, and what a reader with a browser, a keyboard and a mouse finds in it."""

import base64
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn
from minicnn import InputError, Tensor, ops
from minicnn.tape import page, thumbnails
from minicnn.tape.pixels import tilings

ROOM = 2_000_000  # bytes that a page may have


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """(path of the page, tape, the tensors by name) of two layers and their gradients."""
    random = np.random.default_rng(0)
    x = Tensor(random.standard_normal((1, 5, 5, 2)))
    w = Tensor(random.standard_normal((3, 3, 2, 3)), requires_grad=True)
    b = Tensor(random.standard_normal(3), requires_grad=True)
    v = Tensor(random.standard_normal((12, 4)), requires_grad=True)
    with minicnn.record() as tape:
        hidden = ops.conv(x, w, b, stride=2, padding=1, activation="relu")
        pooled = ops.avg_pool(hidden, 2, stride=1)
        logits = ops.linear(ops.flatten(pooled), v)
        loss = ops.cross_entropy(logits, np.array([2]))
        loss.backward()
    path = tmp_path_factory.mktemp("page") / "tape.html"
    tape.save_html(path)
    return (
        path,
        tape,
        {"x": x, "w": w, "b": b, "v": v, "hidden": hidden, "pooled": pooled, "logits": logits, "loss": loss},
    )


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="tape">(.*?)</script>', text, re.DOTALL)[1])


# -- in the browser -------------------------------------------------------------------------------------


def shown(browser, selector):
    """The numbers of a text, by Python's signs."""
    return browser.text(selector).replace("−", "-")


def read_cell(browser, card, picture, tile, row, column):
    """Click the middle of a cell and read the line that appears: (what stands before, the number)."""
    place = browser.run(
        f"(() => {{ const l = layoutOf(tilesOf(maps[{picture}].picture), Math.min("
        "document.getElementById('cards').clientWidth - 28, 500));"
        f"const [x, y] = l.corner({tile});"
        f"return [(x + ({column} + .5) * l.cell) / l.width, (y + ({row} + .5) * l.high) / l.height]; }})()"
    )
    browser.click(f"{card} canvas", *place)
    name, _, number = shown(browser, "#readout").partition(" = ")
    return name, float(number.split()[0])


def test_stepping_by_keyboard_and_mouse_reads_what_numpy_has(browser, net):
    path, tape, tensors = net
    browser.open(path)
    assert browser.text("#equation") == "conv_1 = conv(x, w, b)" and browser.text("#direction") == "forward"
    assert browser.text("#where") == "1 of 12" and "hidden = ops.conv(" in browser.text("#lines")
    x, w, b = (tensors[name].data for name in "xwb")
    padded = np.pad(x[0], ((1, 1), (1, 1), (0, 0)))
    y = (
        np.einsum("rskabc,abcj->rskj", np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 2))[::2, ::2], w)[
            :, :, 0
        ]
        + b
    )
    name, number = read_cell(browser, ".card.result", 3, 1, 2, 0)  # the tile of channel 1
    assert name == "conv_1[0, 2, 0, 1]" and np.isclose(number, y[2, 0, 1], rtol=1e-8)

    browser.press("ArrowRight")
    assert browser.text("#equation") == "hidden = relu(conv_1)"
    name, number = read_cell(browser, ".card.result", 1, 0, 1, 2)
    assert name == "hidden[0, 1, 2, 0]" and np.isclose(number, max(y[1, 2, 0], 0), rtol=1e-8)
    browser.press("ArrowLeft", shift=True)
    assert shown(browser, "#readout").startswith("hidden[0, 1, 1, 0] = ")

    browser.click("#next")
    assert browser.text("#equation") == "pooled = avg_pool(hidden)" and "stride=1" in browser.text("#facts")
    browser.press("ArrowLeft")
    assert browser.text("#where") == "2 of 12"

    browser.click("#graph button:last-of-type")  # the loss
    logits = tensors["logits"].data
    loss = np.log(np.exp(logits).sum()) - logits[0, 2]
    assert np.isclose(float(shown(browser, ".card.result .scalar")), loss, rtol=1e-8)

    browser.press("b")
    assert browser.text("#direction") == "backward" and browser.text(".card.gradient .scalar") == "1"
    probabilities = np.exp(logits) / np.exp(logits).sum()
    name, number = read_cell(browser, ".card.gradient:nth-of-type(2)", 0, 0, 0, 2)
    assert name == "logits.grad[0, 2]" and np.isclose(number, probabilities[0, 2] - 1, rtol=1e-8)
    assert 'tape.why("logits", (0, 2))' in browser.text("#readout")

    browser.press("End")
    assert browser.text("#where") == "12 of 12" and browser.text("#direction") == "backward"
    assert browser.text("#equation") == "conv_1 = conv(x, w, b)"
    browser.run("document.querySelectorAll('.card')[2].id = 'gradient-of-w'")
    assert browser.text("#gradient-of-w .name") == "w.grad"
    name, number = read_cell(browser, "#gradient-of-w", 2, 4, 1, 2)  # channels 1 and 1
    assert name == "w.grad[1, 2, 1, 1]" and np.isclose(number, tensors["w"].grad[1, 2, 1, 1], rtol=1e-8)
    assert "The largest of w.grad, and why" in browser.text("#why") and "their sum; remainder" in browser.text("#why")
    assert browser.run("document.querySelectorAll('.node.returned').length") == len(tape)
    browser.press("Home")
    assert browser.run("document.querySelectorAll('.node.returned').length") == 0
    assert browser.complaints() == []


def test_one_pixel_every_way(browser, net):
    path, tape, _ = net
    browser.open(path)
    name, number = read_cell(browser, ".card.result", 3, 2, 0, 1)
    assert name == "conv_1[0, 0, 1, 2]"
    pixel = tape.pixel("conv_1", (0, 0, 1, 2))
    assert np.isclose(float(shown(browser, "#pixel-sum").split()[-1]), number, rtol=1e-7)
    assert browser.run("document.querySelectorAll('#pixel tbody tr').length") == len(pixel.taps) == 12
    first = [float(cell) for cell in shown(browser, "#pixel tbody tr").replace(",", " ").split()]
    assert np.allclose(first[3:6], [pixel.taps[0].x, pixel.taps[0].w, pixel.taps[0].product], rtol=1e-4)
    text = browser.text("#pixel")
    assert "12 products, and 6 that meet padding" in text
    assert "Row 1 of the 9 patches that im2col lays out, times column 2 of the 3 filters: 18 numbers each" in text
    assert "Block 0 of 1, and in it group 0" in text and "this one is number 1" in text
    if tilings():
        assert "Block 0, thread 5. It reads a number of x" in text  # number 1 · 3 + 2
        assert "Block (x 0, y 0, z 0), thread (x 2, y 1). It reads a number of x" in text
    assert browser.run("maps[0].marks([0, 0, 1, 0]) && !maps[0].marks([0, 3, 1, 0])")  # what it reads is framed
    browser.press("ArrowRight")
    assert not browser.run("document.getElementById('pixel').checkVisibility()")


GAPS = """(() => { const found = [];
  for (const map of maps) {
    const tiles = tilesOf(map.picture), room = document.getElementById("cards").clientWidth;
    const layout = layoutOf(tiles, room < 560 ? room - 28 : Math.min(room - 28, 500));
    if (layout.roomy) for (const {rows, columns, value} of tiles)
      for (let at = 0; at < rows * columns; at++)
      {
        const text = short(value(Math.floor(at / columns), at % columns), layout.digits);
        found.push(layout.cell - ruler.measureText(text).width);
      }
  }
  return [found.length, Math.min(...found)]; })()"""


@pytest.mark.parametrize("width", [1280, 390])
def test_numbers_of_neighbouring_cells_do_not_touch(browser, tmp_path, width):
    values = [[-0.0123456, 98765.4321, -0.123456, 1234.5, -123.456, 0.00054321], [1, 0, -1, 12.5, np.nan, -54321.0]]
    with minicnn.record() as tape:
        ops.tanh(Tensor(np.array(values), name="x") * 1.0)
    tape.save_html(tmp_path / "wide.html")
    browser.open(tmp_path / "wide.html", width)
    count, least = browser.run(GAPS)
    assert count >= 12 and least >= 6, f"{count} numbers, of which two are {least} pixels apart"


def test_back_returns_to_the_step_before_and_stays_on_the_page(browser, net):
    browser.open(net[0])
    pushed = (
        "new Promise((done) => { const wait = () => location.hash === '{}' ? done(0) : setTimeout(wait, 20); wait(); })"
    )
    for key, address in (("ArrowRight", "#2"), ("End", "#12")):
        browser.press(key)
        browser.run(pushed.replace("{}", address))
    back = "new Promise((done) => { addEventListener('popstate', () => done(0), {once: true}); history.back(); })"
    browser.run(back)
    assert browser.text("#where") == "2 of 12" and browser.text("#equation") == "hidden = relu(conv_1)"
    browser.run(back)
    assert browser.text("#where") == "1 of 12" and browser.run("location.protocol") == "file:"
    browser.run(back.replace("history.back", "history.forward"))
    assert browser.text("#where") == "2 of 12" and browser.complaints() == []


def test_it_is_readable_on_a_phone_and_in_the_dark(browser, net):
    path, *_ = net
    browser.open(path, 390, 844)
    light = browser.run("getComputedStyle(document.body).backgroundColor")
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run("Math.min(...[...document.querySelectorAll('nav button')].map(b => b.offsetHeight))") >= 36
    texts = "[...document.querySelectorAll('article *')].filter(e => e.innerText)"
    assert browser.run(f"Math.min(...{texts}.map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 11
    browser.press("End")
    assert browser.run("document.documentElement.scrollWidth") <= 390
    browser.look(390, 844, dark=True)
    dark = browser.run("getComputedStyle(document.body).backgroundColor")

    def brightness(colour):
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765

    assert brightness(light) > 0.9 and brightness(dark) < 0.2
    assert brightness(browser.run("getComputedStyle(document.body).color")) > 0.8
    assert browser.complaints() == []


@pytest.mark.parametrize("width, dark", [(1280, False), (390, True)])
def test_axe_finds_nothing_serious(browser, axe, net, width, dark):
    browser.open(net[0], width, 900, dark=dark)
    assert axe() == []
    browser.press("End")
    assert axe() == []


def test_two_hundred_operations_are_no_burden(browser, tmp_path):
    x = Tensor(np.random.default_rng(0).standard_normal((2, 6, 6, 3)).astype(np.float32), requires_grad=True)
    with minicnn.record() as tape:
        y = x
        for _ in range(100):
            y = ops.tanh(y * 1.01)
        y.sum().backward()
    assert len(tape) == 201
    path = tmp_path / "long.html"
    tape.save_html(path)
    assert path.stat().st_size < ROOM
    browser.open(path)
    elements = browser.run("document.getElementsByTagName('*').length")
    changes = browser.run("""new Promise(done => {
        const seen = [];
        const observer = new MutationObserver(records => seen.push(...records));
        observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
        for (let i = 0; i < 40; i++) go(i * 10);
        setTimeout(() => done(seen.concat(observer.takeRecords()).length / 40));
    })""")
    # Work is counted, not timed: a few elements per step of the tape, and each of them touched once at most.
    assert elements < 8 * 402 and 0 < changes < elements, f"{elements} elements, {changes} changes a step"
    browser.press("End")
    assert browser.text("#where") == "402 of 402" and browser.complaints() == []


# -- without one ----------------------------------------------------------------------------------------


def test_it_is_one_file_that_asks_for_nothing(net):
    text = net[0].read_text(encoding="utf-8")
    assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:)?//""", text)
    assert "default-src 'none'" in text and len(text.encode()) < 200_000
    assert "{{" not in text


def test_its_numbers_are_those_of_the_tape(net):
    _, tape, _ = net
    data = data_of(tape.html())
    assert [step["op"] for step in data["steps"]] == [step.name for step in tape]
    assert data["moments"] == [[step.number - 1, int(back)] for step, back in tape.moments]
    told_of = {told["name"]: told for told in data["values"]}
    for value in (value for value in tape.values if value.name != "none"):
        told = told_of[value.name]
        picture = data["pictures"][told["picture"]]
        numbers = np.frombuffer(base64.b64decode(picture["whole"]), f"<f{picture['bytes']}")
        assert np.array_equal(numbers, value.array.ravel())
    step = next(step for step in data["steps"] if step["op"] == "linear")
    assert "cotangent" in step and step["formula"][0].startswith("y = x w + b")
    assert "def linear(x, w" in data["sources"][step["source"]]
    assert step["formula"][1] in tape.html() and not step["formula"][1].isascii()  # written as it is read


def test_what_takes_too_long_to_explain_is_not_explained(monkeypatch):
    monkeypatch.setattr(page, "PROBES", 2)
    w = Tensor(np.ones(3), requires_grad=True)
    with minicnn.record() as tape:
        ((w * 2.0).sum() + w.sum()).backward()
    assert page._reasons(tape, tape.values) == {}  # one of its two uses has three elements
    monkeypatch.setattr(page, "PROBES", 3)
    (reason,) = page._reasons(tape, tape.values).values()
    assert reason.startswith("w.grad[0] = 3")


def test_large_arrays_become_cells():
    array = np.zeros((2, 60, 90, 8), np.float32)
    array[0, :30, :, 0] = -2
    array[0, :, :, 1] = 4
    picture = thumbnails.picture_of(array, 4000)
    assert "whole" not in picture and (picture["low"], picture["high"]) == (-2, 4)
    cells = np.frombuffer(base64.b64decode(picture["cells"]), np.uint8).reshape(-1, *picture["grid"])
    assert len(cells) == len(picture["starts"]) == 3 and picture["starts"][1] == [0, 0, 0, 1]
    half = picture["grid"][0] // 2
    assert (cells[0, :half] == 127 - 64).all() and (cells[0, half:] == 127).all()
    assert (cells[1] == 254).all() and (cells[2] == 127).all()
    assert picture["note"] == "the first 3 of 16 tiles; each cell is the mean of 3 × 4"
    assert len(picture["cells"]) <= 4000


@pytest.mark.parametrize(
    "shape", [(), (1,), (700,), (1, 3000), (40, 50), (3, 40, 50), (2, 3, 9, 9, 9), (0, 3), (3, 3, 64, 64)]
)
def test_every_shape_has_a_picture(shape):
    picture = thumbnails.picture_of(np.ones(shape), 400)
    assert picture["size"] == np.ones(shape).size
    assert len(picture.get("whole", "")) + len(picture.get("cells", "")) <= 404


def test_what_is_not_finite_is_counted():
    picture = thumbnails.picture_of(np.array([1.0, np.nan, -np.inf, 3.0] * 100), 100)
    assert picture["bad"] == 200 and (picture["low"], picture["high"]) == (1, 3)
    assert set(base64.b64decode(picture["cells"])) == {255}
    with minicnn.record() as tape, np.errstate(all="ignore"):
        ops.log(Tensor(np.array([-1.0, 0.0, 2.0]), requires_grad=True)).sum().backward()
    assert data_of(tape.html())["pictures"]


def test_nothing_that_is_recorded_becomes_markup(tmp_path):
    with minicnn.record() as tape:
        Tensor(np.ones(2), name="</script><script>alert(1)</script>") + 1.0
    text = tape.html()
    assert text.count("</script>") == 2 and "alert(1)" in text
    assert data_of(text)["values"][0]["name"].startswith("</script>")


def test_a_notebook_shows_it_in_a_frame(net):
    frame = net[1]._repr_html_()
    assert frame.startswith("<iframe srcdoc=") and frame.count('"') == 6 and "&lt;main&gt;" in frame


def test_a_long_tape_shows_its_beginning():
    x = Tensor(np.ones(2))
    with minicnn.record() as tape:
        for _ in range(page.MOST + 5):
            x = x + 1.0
    data = data_of(tape.html())
    assert len(data["steps"]) == page.MOST and f"the first {page.MOST} operations are shown" in data["summary"]
    assert len(tape.html()) < ROOM


def test_what_cannot_be_saved(tmp_path, net):
    with pytest.raises(InputError, match="is in a folder that does not exist"):
        net[1].save_html(tmp_path / "nowhere" / "tape.html")
    with pytest.raises(InputError, match="the tape is empty"):
        minicnn.record().save_html(tmp_path / "tape.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["style", "triplets"])
def test_a_step_of_a_real_network(browser, tmp_path, kind):
    """Style transfer by tiny_vgg, and triplets of tiny_facenet: both open at once and say why."""
    if kind == "style":
        pictures = np.random.default_rng(0).random((2, 48, 48, 3)).astype(np.float32)
        with minicnn.record() as tape:
            minicnn.style.transfer(*pictures, steps=1, progress=False)
    else:
        encoder = minicnn.models.tiny_facenet()
        faces = np.random.default_rng(0).random((6, 64, 64, 3)).astype(np.float32)
        with minicnn.record() as tape:
            encodings = encoder(faces)
            minicnn.faces.batch_triplet_loss(encodings, np.array([[0, 1, 2], [3, 4, 5]]), margin=2.0).backward()
    path = tmp_path / "tape.html"
    tape.save_html(path)
    assert path.stat().st_size < ROOM
    browser.open(path)
    assert browser.run("performance.timing.domComplete - performance.timing.navigationStart") < 3000
    browser.run("(() => { for (let i = 0; i <= last; i++) go(i); return 1; })()")
    assert browser.complaints() == []
    explained = [value for value in data_of(path.read_text(encoding="utf-8"))["values"] if value["why"]]
    assert explained and all("their sum; remainder" in value["why"] for value in explained)


def test_filters_are_shown_by_their_kernels_and_all_else_by_its_places():
    x = Tensor(np.ones((2, 5, 6, 3)), requires_grad=True)
    w = Tensor(np.ones((3, 3, 3, 4)), requires_grad=True)
    with minicnn.record() as tape:
        ops.conv(x, w).sum().backward()
    planes = {}
    for picture in page._data(tape)["pictures"]:
        planes.setdefault(tuple(picture["shape"]), set()).add(tuple(picture["plane"]))
    assert planes[w.shape] == {(0, 1)}  # and so its gradient
    assert planes[x.shape] == planes[(2, 3, 4, 4)] == {(1, 2)}


def test_all_room_of_a_page_is_used_before_an_array_is_shortened(monkeypatch):
    monkeypatch.setattr(page, "ROOM", 10_000)
    monkeypatch.setattr(page, "EACH", (150, 10_000))
    for largest, whole in ((460, True), (560, False)):  # four bytes of text for three of memory, eight a number
        values = [SimpleNamespace(array=np.ones(size)) for size in (largest, 110, 110, 110, 110)]
        arrays = page._Arrays(values, [])
        assert [arrays.of(value.array) for value in values] == [0, 1, 2, 3, 4]
        assert ["whole" in picture for picture in arrays.pictures] == [whole, True, True, True, True]
