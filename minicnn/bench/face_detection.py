"""Face detection: a photograph of 640×480, compared with the same networks in PyTorch, and one of 12 megapixels."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from minicnn import images, nn, resources, zoo
from minicnn.bench import children, pytorch_detector
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.faces import detection
from minicnn.models import mtcnn

NOT_HERE = "its weights are not on this machine (minicnn weights fetch mtcnn)"
LARGE = (3000, 4000)


def section(plan: Plan) -> Section:
    """Return the rows in milliseconds per picture, for faces of 40 pixels or more, and the peak memory in MiB."""
    measurements = [("640 × 480", lambda: measure(plan))]
    if not plan.quick:
        measurements += [("12 megapixels", lambda: large(plan)), ("12 megapixels, memory", lambda: memory(plan))]
    return Section("Finding faces of 40 pixels and more", measurements)


def measure(plan: Plan) -> Row:
    """Measure the small photograph. Both sides use minicnn's pyramid and post-processing; PyTorch runs the networks."""
    name = "640 × 480"
    if zoo.here(zoo.find("mtcnn")) is None:
        return Row(name, "", None, details={"why": NOT_HERE})
    picture, model = photograph(480, 640), mtcnn()
    theirs = None
    if plan.torch:
        detector = pytorch_detector.Detector(plan.torch, model)
        theirs = Side(lambda: plan.torch.from_numpy(_boxes(detection.run_cascade(picture, detector))))  # type: ignore[union-attr]
    with nn.frozen(model):
        return compare(plan, name, Side(lambda: _boxes(detection.run_cascade(picture, model))), theirs, unit="ms")


def large(plan: Plan) -> Row:
    """Measure 12 megapixels in a separate process, after a first detection in a small picture."""
    found = _asked(plan)
    if isinstance(found, Row):
        return found
    return Row("12 megapixels", "ms", 1e3 * found["seconds"], details={"faces": found["faces"]})


def memory(plan: Plan) -> Row:
    """Measure the peak memory of this process in MiB, the picture included."""
    found = _asked(plan)
    if isinstance(found, Row):
        return found
    return Row("12 megapixels, the process's peak memory in MiB", "ms", found["peak"], details=found)


def _asked(plan: Plan) -> Any:
    if zoo.here(zoo.find("mtcnn")) is None:
        return Row("12 megapixels", "", None, details={"why": NOT_HERE})
    return plan.once("12 megapixels", lambda: children.ask("face_detection", "in_process", threads=resources.threads()))


def in_process(threads: int) -> dict[str, Any]:
    """Return the best of three times in seconds, the peak memory in MiB, and the number of faces."""
    resources.set_threads(threads)
    model = mtcnn()
    detection.detect(photograph(480, 640), detector=model)  # compiles
    picture = photograph(*LARGE)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        found = detection.detect(picture, detector=model)
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "peak": children.peak_memory(), "faces": len(found.scores)}


def photograph(height: int, width: int) -> np.ndarray:
    """Return Grace Hopper's portrait next to its mirror image, at this size."""
    from matplotlib import cbook

    portrait = images.load(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    half = images.resize(portrait, height, width // 2)
    return np.concatenate([half, half[:, ::-1]], axis=1)


def _boxes(found: detection.Detection) -> np.ndarray:
    return np.sort(found.boxes, axis=0)  # with equal scores, each side may have its own order
