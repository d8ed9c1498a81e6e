"""Compress pre-trained KAN heads, and run them on any GPU that has Vulkan, Metal or DX12, or on the CPU.

    import sharekan

    small = sharekan.compress(model.head, calibrate=features, codebook=256)
    print(small.report)
    small.save("head.safetensors")
    y = small.session(device="auto", max_rows=676)(x)

`compress` takes a module of efficient-kan, pykan, fast-kan or inkan, a state dict or a path; `load` reads what it takes
without compressing it. `find` shows the KANs in a larger model, `calibrate` gathers the rows that one of them sees, `replace`
puts a compressed one in its place. `bank` joins several heads of the same inputs. `Detector` goes from images to labelled
boxes, `evaluate` measures it; `Features` are what it shows its head, rows to calibrate with. `verify` checks this machine's adapter, `adapters` lists what there is.

PyTorch is only imported where PyTorch's objects are passed.
"""

import os as _os

from . import _sharekan, assets
from ._calibrate import calibrate
from ._compress import bank, compress
from ._detector import Detection, Detector, Features
from ._head import Head, load
from ._modules import Found, find, replace
from ._report import Report
from ._session import Session
from ._sharekan import DeviceError, FileRefused, ImportRefused, __version__
from ._tools import adapters, bench, evaluate, verify

if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_sharekan.forked)

__all__ = [
    "Detection",
    "Detector",
    "DeviceError",
    "Features",
    "FileRefused",
    "Found",
    "Head",
    "ImportRefused",
    "Report",
    "Session",
    "__version__",
    "adapters",
    "assets",
    "bank",
    "bench",
    "calibrate",
    "compress",
    "evaluate",
    "find",
    "load",
    "replace",
    "verify",
]
