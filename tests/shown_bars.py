"""A stand-in for tqdm, which remembers what it is told. A test adds how its bar is described."""


class Bar:
    def __init__(self, **options):
        self.options, self.shown, self.updates = options, [], 0
        type(self).last = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self):
        self.updates += 1
