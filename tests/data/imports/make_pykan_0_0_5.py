"""States of pykan 0.0.5 with its outputs: python make_pykan_0_0_5.py FOLDER."""
import sys
import torch, json, os
from kan import KAN
from safetensors.torch import save_file
OUT=sys.argv[1]; os.makedirs(OUT,exist_ok=True); cases=[]
x=torch.rand(9,4)*2-1
def case(name,m,flags=[],expect='accept',mention=[],x=x,sd=None,without=None):
    torch.save(sd or m.state_dict(),f'{OUT}/{name}.pth')
    with torch.no_grad(): y=m(x)
    save_file({'input':x.float().contiguous(),'expected':y.float().contiguous()},f'{OUT}/{name}.io.safetensors')
    cases.append(dict(name=name,file=f'{OUT}/{name}.pth',flags=flags,expect=expect,without=without,mention=mention))
torch.manual_seed(1)
case('a',KAN(width=[4,3,2],grid=5,k=3,seed=1))
case('b',KAN(width=[4,5,5,2],grid=3,k=2,seed=2))
case('c',KAN(width=[4,2],grid=10,k=3,grid_eps=1.0,grid_range=[-2,2]),x=torch.rand(9,4)*4-2)
m=KAN(width=[4,3,2],grid=5,k=3); m(x); m.update_grid_from_samples(torch.randn(200,4)); case('upd',m)
ds={'train_input':torch.rand(100,4)*2-1,'test_input':torch.rand(100,4)*2-1}; ds['train_label']=ds['train_input'][:,:2]; ds['test_label']=ds['test_input'][:,:2]
m=KAN(width=[4,3,2],grid=5,k=3,seed=3); m.train(ds,steps=5); case('fit',m)
try:
    m.prune(); m2=m.prune(); m2(x); case('prune',m2)
except Exception as e: print('prune',e)
m3=KAN(width=[4,3,2],grid=10,k=3).initialize_from_another_model(m,x); case('refine',m3)
m=KAN(width=[4,3,2],base_fun=torch.nn.Identity()); case('id',m,flags=['--base-activation','identity'],without='assume')
m=KAN(width=[4,3,2]); m(x); m.fix_symbolic(0,0,0,'sin'); case('sym',m,expect='refuse',mention=['symbolic'])
m=KAN(width=[4,3,2]).double() if 0 else KAN(width=[4,3,2]); case('wrap',m,sd={'epoch':1,'model_state_dict':m.state_dict()})
m=KAN(width=[4,3,2],bias_trainable=True)
for b in m.biases: b.weight.data.normal_()
case('bias',m)
json.dump(cases,open(OUT+'/cases.json','w'))
