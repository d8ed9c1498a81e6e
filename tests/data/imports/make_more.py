"""More checkpoints as scripts write them, with what the modules give: python make_more.py FOLDER (torch 2.15). It also renews
their lines of `manifest.json`, which it takes from the folder and leaves there."""
import io, json, sys, tarfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file
from torch import nn

from kans import *

L = KANLinear

torch.manual_seed(4)
OUT = sys.argv[1]
lines = []


def case(name, obj, model=None, flags=(), mention=(), ext=".pt", save=torch.save):
    save(obj, f"{OUT}/{name}{ext}")
    x = torch.rand(7, 6) * 2.4 - 1.2
    tensors = {"input": x}
    if model is not None:
        with torch.no_grad():
            tensors["expected"] = model.eval()(x).contiguous()
    save_file(tensors, f"{OUT}/{name}.io.safetensors")
    line = {"name": name, "kind": "imports", "command": "run", "files": [name + ext], "input": f"{name}.io.safetensors",
            "flags": list(flags), "expected": {"tensor": "expected", "max_rel": 1e-05} if model is not None else None,
            "expect": "accept" if model is not None else "refuse"}
    if mention:
        line["must_mention"] = list(mention)
    lines.append(line)


def K():
    return rand(KAN([6, 4, 3]))


m = K()
torch.nn.utils.weight_norm(m.layers[1], "spline_weight", dim=None)
case("p-wn-whole", m.state_dict(), m)
m = K()
torch.nn.utils.parametrizations.weight_norm(m.layers[0], "base_weight", dim=None)
case("p-wn-new-whole", m.state_dict(), m)
m = K()
torch.nn.utils.parametrizations.orthogonal(m.layers[0], "base_weight")
case("p-orthogonal", m.state_dict(), mention=["parametrizations.base_weight", "remove_parametrizations"])
m = K()
f8 = OrderedDict((k, v.to(torch.float8_e4m3fn) if k.endswith("spline_weight") else v) for k, v in m.state_dict().items())
case("p-float8", f8, mention=["layers.0.spline_weight", "8-bit floating point"])
case("w-uint16-beside", {"model": m.state_dict(), "seen": torch.zeros(3, dtype=torch.uint16)}, m)
case("w-fsdp-flat", {"_flat_param": torch.cat([v.flatten() for v in m.state_dict().values()])}, mention=["fsdp", "full_state_dict"])
inner = {"layers.0.": "layers.0._fsdp_wrapped_module.", "layers.1.": "layers.1._checkpoint_wrapped_module."}
renamed = OrderedDict((next(to + k[len(at):] for at, to in inner.items() if k.startswith(at)), v) for k, v in m.state_dict().items())
case("w-fsdp-inner", renamed, m)
m = rand(nn.Sequential(L(6, 5), nn.RMSNorm(5), L(5, 3)))
case("n-rms", m.state_dict(), mention=["rmsnorm"])


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([rand(L(9, 1)) for _ in range(2)])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.kan1 = Convolution(), Convolution(), rand(L(6, 4))


m = Net()
case("l-conv-kernels", m.state_dict(), mention=["convolutional", "--prefix kan1"])
case("l-conv-kernels-prefix", m.state_dict(), m.kan1, flags=["--prefix", "kan1"])
wav = OrderedDict((f"layers.{n}.{k}", torch.randn(4, 6)) for n in range(2) for k in ("scale", "translation", "weight1", "wavelet_weights"))
case("k-wavkan", wav, mention=["wavkan"])
case("k-relukan", OrderedDict((k, torch.randn(6, 8)) for k in ("0.phase_low", "0.phase_high")), mention=["relu-kan"])


def in_tar(obj, path):
    data = io.BytesIO()
    torch.save(obj, data)
    entry = tarfile.TarInfo("model.pt")
    entry.size = data.tell()
    data.seek(0)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(entry, data)


def cut(obj, path):
    data = io.BytesIO()
    torch.save(obj, data)
    open(path, "wb").write(data.getvalue()[:-400])


case("f-tar", K().state_dict(), ext=".tar", save=in_tar, mention=["tar archive"])
case("f-cut", K().state_dict(), save=cut, mention=["cut short"])

known = {line["name"] for line in lines}
with open(f"{OUT}/manifest.json") as file:
    old = [line.rstrip().rstrip(",") for line in file if line.startswith("{")]
kept = [line for line in old if json.loads(line)["name"] not in known]
with open(f"{OUT}/manifest.json", "w") as file:
    file.write("[\n" + ",\n".join(kept + [json.dumps(line) for line in lines]) + "\n]\n")
