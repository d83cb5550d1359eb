"""Errors of the evaluators room.

EvaluatorError
├── UnknownTask         no task of this name; the message lists what there is
├── UnsupportedTask     the task is known, and asks for what Cuvee does not do
├── TaskDataError       a task's items cannot be read (the file and line are named)
├── UnsupportedModel    this room cannot generate with a model of this kind
├── SandboxMissing      programs that a model writes cannot run here, so none does
├── VerifierFailed      the process that compares mathematical answers cannot be started
├── NoChatTemplate      a model that is to be asked in a chat cannot be
└── GenerationFailed    the model's output is no text (NaN)
"""


class EvaluatorError(Exception):
    """Base of everything this room raises on purpose."""


class UnknownTask(EvaluatorError):
    """The task's name is not in the catalogue, and is no file of the operator's."""


class UnsupportedTask(EvaluatorError):
    """The task needs something else than generated text, or has no such metric."""


class TaskDataError(EvaluatorError):
    """A task's items cannot be read; the message names the file and the line."""


class UnsupportedModel(EvaluatorError):
    """The model does not attend to its whole text, which generation here relies on."""


class SandboxMissing(EvaluatorError):
    """There is no sandbox on this machine; what would have run in it is refused."""


class VerifierFailed(EvaluatorError):
    """Answers in LaTeX cannot be compared: math-verify's process does not start."""


class NoChatTemplate(EvaluatorError):
    """A model has no usable chat template, or several models have different ones."""


class GenerationFailed(EvaluatorError):
    """The model yields NaN or infinity; a candidate that does so has failed."""
