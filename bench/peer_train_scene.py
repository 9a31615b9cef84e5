"""The images, objects and added proposals of bench/train_scene.h, for torch."""
import numpy as np
import torch

OBJECTS, PROPOSALS, CLASSES = 8, 50, 90  # in an image; round each object; labels
STEPS = np.array([0.8566748838545029, 0.733891856627126, 0.6287067210378087, 0.5385972572236101])


def points(numbers):
    values = np.asarray(numbers, dtype=np.float64)[:, None] * STEPS
    return values - np.floor(values)


def objects(image, height, width):
    u = points(np.arange(OBJECTS) + image * OBJECTS)
    corner = np.array([width, height]) * (0.06 + 0.5 * u[:, :2])
    return np.concatenate([corner, corner + np.array([width, height]) * (0.1 + 0.3 * u[:, 2:])], axis=1)


def proposals(image, height, width):
    """What a trained network would find round each object."""
    boxes = np.repeat(objects(image, height, width), PROPOSALS, axis=0)
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    u = points(np.arange(len(boxes)) + image * OBJECTS * PROPOSALS)
    return torch.from_numpy((boxes + 0.3 * sides * (u - 0.5)).astype(np.float32))


def target(image, height, width):
    boxes = objects(image, height, width)
    masks = torch.zeros(OBJECTS, height, width, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.round().astype(int)):
        mask[y0:y1, x0:x1] = 1
    labels = torch.from_numpy(1 + (np.arange(OBJECTS) + image * OBJECTS) % CLASSES)
    return {"boxes": torch.from_numpy(boxes.astype(np.float32)), "labels": labels, "masks": masks}


def inputs(count, height, width):
    """The normalised batch [count, 3, ...], padded to multiples of 32."""
    padded = [(side + 31) // 32 * 32 for side in (height, width)]
    batch = torch.zeros(count, 3, *padded)
    for image in range(count):
        at = np.arange(height * width * 3, dtype=np.uint32) + np.uint32(image * height * width * 3)
        values = (at * np.uint32(2654435761) >> np.uint32(8)).astype(np.float32) * np.float32(2.0 ** -23) - 1
        batch[image, :, :height, :width] = torch.from_numpy(values.reshape(height, width, 3)).permute(2, 0, 1)
    return batch
