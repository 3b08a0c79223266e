"""The simple rivals: that they find what they are for, on parts and on whole frames, and judge by one protocol."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.pairs import bowl
from helpers.runs import CONFIG, parts, source, workplace
from test_encoder import saved, weights

from das3d_aug.errors import ParameterError
from das3d_ref.evaluation.alignment import Alignment
from das3d_ref.evaluation.baselines import View, look, methods, run_baselines, to_json
from das3d_ref.model.encoder import load_encoder

SIDE = 64
