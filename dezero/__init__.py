"""dezero: an autograd small enough to read, typed enough to trust, verified enough to copy."""

from dezero import core as core
from dezero import core_simple as core_simple
from dezero import cuda as cuda
from dezero import dataloaders as dataloaders
from dezero import datasets as datasets
from dezero import functions as functions
from dezero import functions_conv as functions_conv
from dezero import layers as layers
from dezero import models as models
from dezero import numpy_functions as _numpy_functions
from dezero import optimizers as optimizers
from dezero import transforms as transforms
from dezero import utils as utils
from dezero.arrays import as_array as as_array
from dezero.config import Config as Config
from dezero.config import no_grad as no_grad
from dezero.config import test_mode as test_mode
from dezero.config import using_config as using_config
from dezero.dataloaders import DataLoader as DataLoader
from dezero.dataloaders import SeqDataLoader as SeqDataLoader
from dezero.datasets import Dataset as Dataset
from dezero.graph import Function as Function
from dezero.graph import Parameter as Parameter
from dezero.graph import Variable as Variable
from dezero.graph import as_variable as as_variable
from dezero.graph import grad as grad
from dezero.graph import install as _install
from dezero.graph import setup_variable as setup_variable
from dezero.layers import Layer as Layer
from dezero.models import Model as Model

__version__ = "0.1.0"

_install(functions, _numpy_functions)
