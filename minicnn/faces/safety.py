"""The safety notice for everybody who enrols faces."""

SAFETY = """\
An encoding is a person's face as numbers. It is not a picture, but whoever has it can look for that face, and from it
a likeness can be made. In many countries it is biometric data: ask people before you enrol them, say what for, and
remove them when they ask. Gallery files are readable by their owner alone; keep copies as you would keep passwords.

A distance is not a liveness check: a photograph of a face, held before the camera, is as near as the face itself.
Do not open doors or accounts by it alone.

Encoders err, and not equally often for everybody: less for people like those whom they were trained on. Calibrate on
pictures like yours (minicnn face calibrate), and let a person decide wherever a mistake would hurt somebody.
"""
