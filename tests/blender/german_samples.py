# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist reads in German of errors that `test_error_sentences` brings about."""

WEIGHTS = "ist länger, als der Kopf sagt: 27 Byte statt 10; noch einmal"
DEFAULTS = "num_inference_steps ist 'many'; verlangt ist eine ganze Zahl"
FOLDER = "gibt es nicht; den Ordner eines Modells wählen"
PYTHON = "gibt es nicht; ein anderes wählen"
MESH = "Punkt 0 liegt bei"
ENVIRONMENT = "ist nicht von dieser Erw"
