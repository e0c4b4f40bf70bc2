# SPDX-License-Identifier: Apache-2.0
"""Run by the worker's Python as a program: what huggingface_hub is needed for, and nothing else.

    python -I hub_script.py list REPOSITORY
    python -I hub_script.py fetch REPOSITORY REVISION FILE FOLDER SIZE

The last line of output is one JSON object: the answer, or an `error` with its `status` if the hub
sent one. Imports nothing of hy3dgen, which that Python may not have.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time

# Bytes between two writes. The library's own 10 MB make a slow line look like a dead one and lose
# as much with each interruption.
_CHUNK = 1 << 18


def main(arguments: list[str]) -> int:
    _end_with_parent()
    try:
        answer = {"list": list_files, "fetch": fetch}[arguments[0]](*arguments[1:])
    except Exception as error:  # the caller turns any of them into a sentence
        response = getattr(error, "response", None)
        answer = {
            "error": type(error).__name__,
            "text": " ".join(str(error).split())[:500],
            "status": getattr(response, "status_code", None),
            "number": getattr(error, "errno", None),
        }
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    return 1 if "error" in answer else 0


def list_files(repository: str) -> dict:
    from huggingface_hub import HfApi

    timeout = float(os.environ["HF_HUB_ETAG_TIMEOUT"])
    info = HfApi().model_info(repository, files_metadata=True, timeout=timeout)
    files = {}
    for file in info.siblings or []:
        lfs = file.lfs
        sha256 = lfs["sha256"] if isinstance(lfs, dict) else getattr(lfs, "sha256", None)
        files[file.rfilename] = {"size": file.size, "sha256": sha256, "git": file.blob_id}
    return {"revision": info.sha, "files": files}


def fetch(repository: str, revision: str, file: str, folder: str, size: str) -> dict:
    """`file` goes to `folder`; what an earlier try left of it in `folder`/.cache is gone on with.

    Not hf_hub_download: from version 2 on that begins anew each time.
    """
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    constants.DOWNLOAD_CHUNK_SIZE = _CHUNK
    target = os.path.join(folder, *file.split("/"))
    part = os.path.join(folder, ".cache", f"{revision[:12]}-{file.replace('/', '-')}.part")
    os.makedirs(os.path.dirname(part), exist_ok=True)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(part, "ab") as output:
        done = output.tell()
        if done > int(size):
            output.truncate(0)
            done = 0
        if done < int(size):  # whole: an earlier try was killed just before its last step
            http_get(
                hf_hub_url(repository, file, revision=revision),
                output,
                resume_size=done,
                headers=build_hf_headers(),
                expected_size=int(size),
            )
    os.replace(part, target)
    return {"path": target}


def _end_with_parent() -> None:
    """Also if a signal holds us: Linux then sends another one that lets us go on."""

    def watch(parent: int) -> None:
        if sys.platform.startswith("linux"):
            PR_SET_PDEATHSIG = 1
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGCONT), 0, 0, 0)
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.name != "nt":
        threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
