"""Networks, minibatches, and the usual way to train them, as a reference."""

import itertools

import torch

INPUTS, CLASSES, BATCH, STEPS = 12, 5, 7, 40


def problem(runs, hidden, dtype, batch_size=BATCH):
    """Return random initial layers, minibatches and labels for a stack of `runs` networks."""
    draw = torch.Generator().manual_seed(1)
    sizes = [INPUTS, *hidden, CLASSES]
    layers = [
        torch.randn(runs, a + 1, b, generator=draw, dtype=dtype) * (2 / a) ** 0.5
        for a, b in itertools.pairwise(sizes)
    ]
    x = torch.randn(STEPS, runs, batch_size, INPUTS + 1, generator=draw, dtype=dtype)
    x[..., -1] = 1
    y = torch.randint(CLASSES, (STEPS, runs, batch_size), generator=draw)
    return layers, x, y


def one_hot(y, dtype):
    return torch.nn.functional.one_hot(y, CLASSES).to(dtype)


class Peer:
    """The usual way: nn.Linear, CrossEntropyLoss, autograd, torch.optim.SGD."""

    def __init__(self, layers, **options):
        modules = []
        for layer in layers:
            linear = torch.nn.Linear(*layer[:-1].shape, dtype=layer.dtype)
            with torch.no_grad():
                linear.weight.copy_(layer[:-1].T)
                linear.bias.copy_(layer[-1])
            modules += [linear, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*modules[:-1])
        self.optimizer = torch.optim.SGD(self.model.parameters(), **options)

    def step(self, x, y):
        self.optimizer.zero_grad()
        torch.nn.functional.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()

    def layers(self):
        return [
            torch.cat([m.weight.T, m.bias[None]]).detach()
            for m in self.model
            if isinstance(m, torch.nn.Linear)
        ]
