"""The Python job of jobs.example.toml: a training that goes on where it was cut off.

Nothing here but the standard library and `jobrun.task`, which every Python job
can import; run by hand (`python examples/training.py`) it trains all the same.
"""

import json
import time

from jobrun.task import checkpoint, context, progress


def train(epochs: int = 20, breaks_at: int = 12) -> dict[str, float]:
    """Fit a line to a few points, epoch by epoch; the first attempt loses its connection on the way."""
    epoch, slope = 0, 0.0
    saved = checkpoint.latest()
    if saved is not None:
        epoch, slope = json.loads(saved.read_text())
        print(f"going on after epoch {epoch}")
    while epoch < epochs:
        if epoch == breaks_at and context().attempt == 1:
            raise ConnectionError("the data store went away")
        time.sleep(0.05)
        epoch, slope = epoch + 1, slope + (3.0 - slope) * 0.3
        progress(epoch, epochs, state="training", slope=round(slope, 3))
        if checkpoint.due(epoch):
            save(epoch, slope)
    return {"epochs": epoch, "slope": round(slope, 3)}


def save(epoch: int, slope: float) -> None:
    """One checkpoint; the newest few are kept."""
    folder = checkpoint.directory()
    if folder is None:
        return
    path = folder / f"line_epoch_{epoch}.json"
    path.write_text(json.dumps([epoch, slope]))
    checkpoint.save(path, epoch)


if __name__ == "__main__":
    print(train(breaks_at=-1))
