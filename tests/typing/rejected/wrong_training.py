"""Training scripts that no checker may let pass."""

import numpy as np

import dezero.functions as F
import dezero.layers as L
from dezero import DataLoader, Dataset, Model, Variable, grad, optimizers

x = Variable(np.zeros((2, 3)))
data = Dataset.of(np.zeros((4, 3)), np.zeros(4, np.int64))


class Net(Model):
    def __init__(self) -> None:
        super().__init__()
        self.out = L.Linear(2)

    def forward(self, x: Variable) -> Variable:
        return self.out(x)


net = Net()
a1 = net.hidden  # rejected: no such layer
a2 = net(x).foward()  # rejected: what a model gives is a Variable
a3 = net("x")  # rejected: no operand
a4 = L.Linear("3")  # rejected: a size is an integer
a5 = optimizers.SGD(rate=0.1)  # rejected: it is called lr
a6 = optimizers.SGD().setup(3)  # rejected: it has no params()
a7 = optimizers.SGD().setup(net).step()  # rejected: it is called update
a8 = DataLoader(data)  # rejected: no batch_size
a9 = DataLoader(data, batch_size="32")  # rejected: a size is an integer
b1 = F.softmax_cross_entropy(net(x))  # rejected: no labels
b2 = F.conv2d(x)  # rejected: no weights
b3: list[Variable] = grad(F.sum(x), net.out.W)  # rejected: for one x there is one gradient
net.save_weights(3)  # rejected: no path
