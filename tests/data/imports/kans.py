import torch, torch.nn as nn, torch.nn.functional as F, math
class KANLinear(nn.Module):
    def __init__(s, i, o, grid_size=5, k=3, base_activation=nn.SiLU, grid_range=(-1,1), scaler=True):
        super().__init__(); s.k=k; s.i=i; s.o=o
        h=(grid_range[1]-grid_range[0])/grid_size
        g=(torch.arange(-k,grid_size+k+1)*h+grid_range[0]).expand(i,-1).contiguous()
        s.register_buffer('grid',g)
        s.base_weight=nn.Parameter(torch.randn(o,i)*.4); s.spline_weight=nn.Parameter(torch.randn(o,i,grid_size+k)*.3)
        if scaler: s.spline_scaler=nn.Parameter(torch.randn(o,i)*.5)
        s.base_activation=base_activation()
    def b(s,x):
        g=s.grid; x=x.unsqueeze(-1)
        b=((x>=g[:,:-1])&(x<g[:,1:])).to(x.dtype)
        for k in range(1,s.k+1):
            b=(x-g[:,:-(k+1)])/(g[:,k:-1]-g[:,:-(k+1)])*b[:,:,:-1]+(g[:,k+1:]-x)/(g[:,k+1:]-g[:,1:-k])*b[:,:,1:]
        return b.contiguous()
    @property
    def w(s):
        return s.spline_weight*(s.spline_scaler.unsqueeze(-1) if hasattr(s,'spline_scaler') else 1)
    def forward(s,x):
        return F.linear(s.base_activation(x),s.base_weight)+F.linear(s.b(x).view(x.size(0),-1),s.w.reshape(s.o,-1))
class KAN(nn.Module):
    def __init__(s,w,**k):
        super().__init__(); s.layers=nn.ModuleList(KANLinear(a,b,**k) for a,b in zip(w,w[1:]))
    def forward(s,x):
        for l in s.layers: x=l(x)
        return x
class RBF(nn.Module):
    def __init__(s,n=8):
        super().__init__(); s.grid=nn.Parameter(torch.linspace(-2,2,n),requires_grad=False); s.d=4/(n-1)
    def forward(s,x): return torch.exp(-((x[...,None]-s.grid)/s.d)**2)
class FastKANLayer(nn.Module):
    def __init__(s,i,o):
        super().__init__(); s.layernorm=nn.LayerNorm(i); s.rbf=RBF(); s.spline_linear=nn.Linear(i*8,o,bias=False); s.base_linear=nn.Linear(i,o)
        nn.init.normal_(s.layernorm.weight); nn.init.normal_(s.layernorm.bias)
    def forward(s,x):
        b=s.rbf(s.layernorm(x)); return s.spline_linear(b.view(*b.shape[:-2],-1))+s.base_linear(F.silu(x))
class FastKAN(nn.Module):
    def __init__(s,w):
        super().__init__(); s.layers=nn.ModuleList(FastKANLayer(a,b) for a,b in zip(w,w[1:]))
    def forward(s,x):
        for l in s.layers: x=l(x)
        return x
def rand(m):
    for n,b in m.named_buffers():
        if n.endswith('running_mean'): b.normal_()
        if n.endswith('running_var'): b.uniform_(.3,2)
    for mod in m.modules():
        if isinstance(mod,(nn.LayerNorm,nn.BatchNorm1d,nn.GroupNorm)) and mod.weight is not None:
            nn.init.normal_(mod.weight); 
            if mod.bias is not None: nn.init.normal_(mod.bias)
    return m.eval()
