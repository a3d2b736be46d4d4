"""What pytest and Hypothesis load when they start: so light that who does not use it does not feel it.

They load it wherever dezero is installed. To import anything from the package `dezero` brings NumPy and
all of the library: hence this package beside it, which imports neither before they are used.
"""
