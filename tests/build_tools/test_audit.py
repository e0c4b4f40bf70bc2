# SPDX-License-Identifier: GPL-3.0-or-later
"""Every package of the worker's environment has an accepted licence and no hole that is known."""

import re

import pytest

pytest.importorskip("packaging", reason="comes with the packages that are looked at")

from packaging.requirements import Requirement

from build_tools import audit


def test_what_is_required_is_bounded_and_without_known_holes():
    wanted = audit.requirements()
    assert {"torch", "numpy", "safetensors"} <= {requirement.name for requirement in wanted}
    assert [words for requirement in wanted for words in audit.loose(requirement)] == []


def test_what_the_tests_are_made_with_has_no_known_holes_either():
    wanted = audit.requirements(audit.WORKER.with_name("develop.txt"))
    named = [one for one in wanted if one.name in audit.FIXED_IN]
    assert [one.name for one in named] == ["setuptools"]
    holes = [words for one in named for words in audit.loose(one) if "hole" in words]
    assert holes == []


def test_a_package_that_nobody_has_looked_at_is_told():
    assert "new here" in " ".join(audit.Package("quite-new", "1.0", "MIT").problems())
    assert list(audit.Package("numpy", "2.4.6", "BSD-3-Clause").problems()) == []
    assert list(audit.Package("nvidia-cudnn-cu13", "9.1", "LicenseRef-NVIDIA").problems()) == []
    assert not audit.LOOKED_AT & audit.FIXED_IN.keys()


def test_what_is_installed_is_licensed_and_without_known_holes():
    pytest.importorskip("torch", reason="looks at the worker's environment")
    pytest.importorskip("huggingface_hub", reason="looks at the worker's environment")
    packages = audit.installed(audit.requirements())
    names = {package.name for package in packages}
    assert {"torch", "pillow", "jinja2", "tqdm"} <= names, "also what others bring"
    assert [words for package in packages for words in package.problems()] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("torch", "neither pinned nor bounded"),
        ("numpy>=2", "neither pinned nor bounded"),
        ("pillow<14", "neither pinned nor bounded"),
        ("torch==2.9.1", "2.10.0 mends .CVE-2026-24747"),
        ("Pillow>=12,<14", "12.3.0 mends"),
    ],
)
def test_loose_requirements_are_told(line, words):
    assert re.search(words, " ".join(audit.loose(Requirement(line))))


@pytest.mark.parametrize(
    ("version", "licence", "words"),
    [
        ("5.3", "MIT", "pyyaml 5.3 has a hole that 5.4 mends"),
        ("6.0", "CC-BY-NC-4.0", "under 'CC-BY-NC-4.0', which nobody has accepted"),
        ("6.0", "MIT AND SSPL-1.0", "nobody has accepted"),
        ("6.0", "no licence at all", "nobody has accepted"),
    ],
)
def test_packages_with_a_problem_are_told(version, licence, words):
    (said,) = audit.Package("pyyaml", version, licence).problems()
    assert words in said


@pytest.mark.parametrize("licence", ["MIT", "MIT AND Zlib", "GPL-2.0-only OR MIT"])
def test_packages_without_one(licence):
    assert list(audit.Package("pyyaml", "6.0.3", licence).problems()) == []


def test_nvidias_libraries_keep_their_own_terms():
    package = audit.Package("nvidia-cublas", "13.0", "Other/Proprietary License")
    assert list(package.problems()) == []
