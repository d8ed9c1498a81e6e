"""States of pykan 0.2.8 with its outputs: python make_pykan.py FOLDER."""
import copy, json, os, sys
import torch, torch.nn as nn
from safetensors.torch import save_file
OUT=sys.argv[1]; cases=[]
os.makedirs(OUT+"/model",exist_ok=True); open(OUT+"/model/history.txt","w").close()
import kan as pk, yaml, shutil
os.chdir(OUT)
def net(w=[4,3,2],**k):
    return pk.KAN(width=copy.deepcopy(w),auto_save=False,save_act=True,symbolic_enabled=k.pop('symbolic_enabled',True),**k)
def yml(m,name,p=None):
    m.saveckpt(f'{OUT}/{name}')
    return
x=torch.rand(9,4)*2-1
def ck(name,m,flags=None,cfg=True,**k):
    m.saveckpt(f'{OUT}/{name}')
    st=f'{OUT}/{name}_state'
    if not cfg: os.remove(f'{OUT}/{name}_config.yml')
    with torch.no_grad(): y=m(x[:, :])
    save_file({'input':x.contiguous(),'expected':y.contiguous()},f'{OUT}/{name}.io.safetensors')
    cases.append(dict(name=name,file=st,flags=flags or [],expect=k.get('expect','accept'),without=k.get('without'),mention=k.get('mention',[])))
for b in ['silu','identity','zero']:
    ck('base-'+b,net(base_fun=b,seed=1))
ck('base-identity-nocfg',net(base_fun='identity',seed=1),flags=['--base-activation','identity'],cfg=False,without='assume')
ck('k2g7',net(k=2,grid=7)); ck('deep',net([4,5,5,2]));
m=net([4,[3,1],2]); ck('mult',m,expect='refuse',mention=['multiplication'])
m=net(); m(x); m.fix_symbolic(0,0,0,'sin',verbose=False); ck('sym',m,expect='refuse',mention=['sin','symbolic'])
m=net(); m(x); m.fix_symbolic(1,2,1,'x^2',verbose=False); ck('sym2',m,expect='refuse',mention=['x^2','symbolic'])
m=net(); m(x); m.update_grid_from_samples(torch.randn(200,4)); ck('grid',m)
m=net(); ds={'train_input':torch.rand(100,4)*2-1,'test_input':torch.rand(100,4)*2-1}; ds['train_label']=ds['train_input'][:,:2]; ds['test_label']=ds['test_input'][:,:2]
m.fit(ds,steps=5,log=10); ck('fit',m)
m2=m.prune(); m2(x); ck('pruned',m2)
m3=net(); m3.fit(ds,steps=3); m3=m3.refine(10); ck('refined',m3)
m=net(sparse_init=True); ck('sparse',m)
m=net(affine_trainable=True); 
for p in list(m.node_bias)+list(m.node_scale)+list(m.subnode_bias)+list(m.subnode_scale): p.data.normal_()
ck('affine',m)
m=net(); ck('nocfg',m,cfg=False)
m=net(); torch.save({'epoch':1,'model':m.state_dict()},f'{OUT}/wr.pt'); 
save_file({'input':x.contiguous(),'expected':m(x).detach().contiguous()},f'{OUT}/wr.io.safetensors'); cases.append(dict(name='wr',file=f'{OUT}/wr.pt',flags=[],expect='accept',without=None,mention=[]))
class W(nn.Module):
    def __init__(s):
        super().__init__(); s.enc=nn.Linear(4,4); s.kan=net(); s.dec=nn.Linear(2,2)
    def forward(s,x): return s.dec(s.kan(s.enc(x)))
w=W(); torch.save(w.state_dict(),f'{OUT}/lin.pt'); save_file({'input':x.contiguous(),'expected':w(x).detach().contiguous()},f'{OUT}/lin.io.safetensors'); cases.append(dict(name='lin',file=f'{OUT}/lin.pt',flags=['--layers','enc,kan,dec'],expect='accept',without='refuse',mention=['enc']))
json.dump(cases,open(OUT+'/cases.json','w'))
