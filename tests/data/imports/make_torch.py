"""Checkpoints as scripts write them, with what the modules themselves give: python make_torch.py FOLDER (torch 2.15)."""
import torch, torch.nn as nn, sys, os, json, argparse, pathlib, datetime, enum, collections, functools, random, pickle, copy
import numpy as np
from safetensors.torch import save_file
from kans import *
torch.manual_seed(0)
OUT=sys.argv[1]; cases=[]
def case(name, obj, model, flags=None, expect='accept', ext='.pt', without=None, mention=[], x=None, saver=None, i=6, note=None, y=None, extra=None):
    f=f'{OUT}/{name}{ext}'
    if obj is not None:
        (saver or torch.save)(obj,f)
    if x is None: x=torch.rand(7,i)*2.4-1.2
    if y is None and model is not None:
        with torch.no_grad(): y=model(x.to(next(model.parameters()).dtype)) if callable(model) else None
    io={'input':x.float().contiguous()}
    if y is not None: io['expected']=y.float().contiguous()
    save_file(io,f'{OUT}/{name}.io.safetensors')
    cases.append(dict(name=name,file=f,flags=flags or [],expect=expect,without=without,mention=mention))
def opt(m,cls=torch.optim.AdamW,**k):
    o=cls(m.parameters(),lr=1e-3,**k); m(torch.rand(4,6)).sum().backward(); o.step(); o.zero_grad(); return o
class Color(enum.Enum): RED=1
import dataclasses
@dataclasses.dataclass
class Cfg: width:int=3; act:str='x'
def K(): return rand(KAN([6,4,3]))
# wrapping
m=K(); o=opt(m,torch.optim.SGD,momentum=.9)
sch=torch.optim.lr_scheduler.CosineAnnealingLR(o,10)
case('w-all',{'epoch':3,'model_state_dict':m.state_dict(),'optimizer_state_dict':o.state_dict(),'scheduler':sch.state_dict(),'args':argparse.Namespace(lr=1e-3,name='a'),
 'rng':torch.get_rng_state(),'np_rng':np.random.get_state(),'py_rng':random.getstate(),'path':pathlib.Path('/a/b'),'when':datetime.datetime.now(),'device':torch.device('cuda:0'),'dtype':torch.float16,'size':torch.Size([1,2]),
 'enum':Color.RED,'cfg':Cfg(),'dq':collections.deque([1,2]),'dd':collections.defaultdict(list,{'a':[1]}),'arr':np.arange(5.),'set':{1,2},'fs':frozenset([1]),'counter':collections.Counter('abc'),'part':functools.partial(int,'3'),'big':2**200,'neg':-5,'cls':nn.Linear,'fn':torch.relu,'cx':1j,'range':range(3),'bytes':b'abc','ba':bytearray(b'x'),'npi':np.int64(3),'npf32':np.float32(2.5),'npb':np.bool_(True),'nps':np.array(['a','b']),'npo':np.array([None,1],dtype=object),'long':'x'*100000,'none':None,'metrics':{'acc':torch.tensor(.5),'conf':torch.eye(3)}},m)
for p in (3,4,5):
    case(f'w-all-p{p}',{'epoch':3,'net':m.state_dict(),'args':argparse.Namespace(lr=1e-3),'arr':np.arange(5.),'enum':Color.RED,'path':pathlib.Path('/a'),'bytes':b'abc','ba':bytearray(b'x'),'set':{1,2},'cfg':Cfg()},m,saver=lambda ob,f:torch.save(ob,f,pickle_protocol=p))
case('w-legacy',{'epoch':3,'model':m.state_dict(),'optimizer':o.state_dict(),'criterion':nn.MSELoss(),'loss':np.float64(.1)},m,saver=lambda ob,f:torch.save(ob,f,_use_new_zipfile_serialization=False),ext='.tar')
case('w-tuple',(m.state_dict(),o.state_dict(),7),m)
case('w-list',[7,m.state_dict()],m)
case('w-nested',{'state':{'epoch':1,'model':{'weights':m.state_dict()}}},m)
case('w-params',{n:p for n,p in list(m.named_parameters())+list(m.named_buffers())},m)
case('w-plain-dict',dict(m.state_dict()),m,ext='')
case('w-same-twice',{'model':m.state_dict(),'state_dict':m.state_dict()},m,without='refuse',flags=['--entry','model'],mention=['state_dict','--entry'])
sd=m.state_dict(); case('w-same-object-twice',{'model':sd,'best':sd},m)
m2=K(); case('w-ema',{'state_dict':m.state_dict(),'state_dict_ema':m2.state_dict()},m2,flags=['--entry','state_dict_ema'],without='refuse',mention=['state_dict_ema'])
case('w-ema-nested',{'model':m.state_dict(),'ema':{'shadow':m2.state_dict(),'decay':.99}},m2,flags=['--entry','ema'],without='refuse',mention=['ema.shadow'])
case('w-deepspeed',{'module':{'module.'+k:v for k,v in m.state_dict().items()},'ds_config':{'a':1}},m)
sw=torch.optim.swa_utils.AveragedModel(m); case('w-swa',sw.state_dict(),m)
case('w-whole',m,None,expect='refuse',mention=['state_dict'])
case('w-whole-entry',{'epoch':1,'model':m,'optimizer':o.state_dict()},None,expect='refuse',mention=['state_dict','["model"]'])
case('w-whole-legacy',m,None,expect='refuse',mention=['state_dict'],saver=lambda ob,f:torch.save(ob,f,_use_new_zipfile_serialization=False))
case('w-plain-pickle',m.state_dict(),None,expect='refuse',mention=['torch.save'],saver=lambda ob,f:pickle.dump(ob,open(f,'wb')),ext='.pkl')
case('w-numpy',{'epoch':1,'w':{k:v.numpy() for k,v in m.state_dict().items()}},None,expect='refuse',mention=['numpy'])
case('w-epoch-in-dict',{**m.state_dict(),'epoch':3,'optimizer':o.state_dict(),'cfg':Cfg()},m)
case('w-hparams-gelu',{'state_dict':m.state_dict(),'hyper_parameters':{'base_activation':'gelu'}},None,expect='refuse',mention=['gelu','--base-activation'])
case('w-hparams-silu',{'state_dict':m.state_dict(),'hyper_parameters':{'base_activation':'torch.nn.SiLU','activation':nn.SiLU}},m)
case('w-hparams-class',{'state_dict':m.state_dict(),'cfg':{'base_activation':nn.GELU}},None,expect='refuse',mention=['gelu','--base-activation'])
mg=rand(KAN([6,4,3],base_activation=nn.GELU)); case('w-hparams-gelu-said',{'state_dict':mg.state_dict(),'cfg':{'base_activation':nn.GELU}},mg,flags=['--base-activation','gelu'],without='refuse',mention=['gelu'])
case('w-empty',{},None,expect='refuse',mention=['empty'])
case('w-int',5,None,expect='refuse',mention=['integer'])
case('w-nothing',{'epoch':1,'loss':.5},None,expect='refuse',mention=['epoch'])
case('w-only-opt',{'epoch':1,'opt':o.state_dict()},None,expect='refuse')
# file kinds
for e in ['.bin','.th','.model','.weights','.tar','.zip','.PTH','.ckpt.best','']:
    case('f-end'+e.replace('.','-'),m.state_dict(),m,ext=e)
mt=copy.deepcopy(m)
torch.jit.trace(mt,torch.rand(2,6)).save(OUT+'/f-trace.pt'); case('f-trace',None,None,expect='refuse',mention=['TorchScript'])
try:
    ep=torch.export.export(mt,(torch.rand(2,6),)); torch.export.save(ep,OUT+'/f-export.pt2'); case('f-export',None,None,ext='.pt2',expect='refuse',mention=['export'])
except Exception as e: print('export',e)
np.savez(OUT+'/f-npz.npz',**{k:v.numpy() for k,v in m.state_dict().items()}); case('f-npz',None,None,ext='.npz',expect='refuse',mention=['numpy'])
open(OUT+'/f-json.json','w').write(json.dumps({'a':1,'bcdefgh':2})); case('f-json',None,None,ext='.json',expect='refuse',mention=['text'])
open(OUT+'/f-html.pt','w').write('<!DOCTYPE html><html>'); case('f-html',None,None,expect='refuse',mention=['html|text'])
open(OUT+'/f-lfs.pt','w').write('version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 1\n'); case('f-lfs',None,None,expect='refuse',mention=['LFS'])
open(OUT+'/f-empty.pt','w').write(''); case('f-empty',None,None,expect='refuse')
open(OUT+'/f-yaml.yaml','w').write('lr: 0.1\nmodel:\n  width: [1, 2]\n'); case('f-yaml',None,None,ext='.yaml',expect='refuse',mention=['text'])
open(OUT+'/f-csv.csv','w').write('epoch,loss\n1,0.5\n2,0.4\n'); case('f-csv',None,None,ext='.csv',expect='refuse',mention=['text'])
import torch.nn.utils.prune as prune
mp=K()
for l in mp.layers:
    prune.l1_unstructured(l,'base_weight',.3); prune.random_unstructured(l,'spline_weight',.5)
case('p-prune',mp.state_dict(),mp)
mp=K()
for l in mp.layers: nn.utils.weight_norm(l,'base_weight'); nn.utils.weight_norm(l,'spline_weight')
mp(torch.rand(1,6)); case('p-wn-old',mp.state_dict(),mp)
mp=K()
for l in mp.layers: nn.utils.parametrizations.weight_norm(l,'base_weight'); nn.utils.parametrizations.weight_norm(l,'spline_weight',dim=1)
case('p-wn-new',mp.state_dict(),mp)
mp=K()
for l in mp.layers: nn.utils.parametrizations.spectral_norm(l,'base_weight')
mp.eval(); case('p-sn-new',mp.state_dict(),mp)
mp=K()
for l in mp.layers: nn.utils.spectral_norm(l,'base_weight')
mp.train(); mp(torch.rand(3,6)); mp.eval(); mp(torch.rand(1,6)); case('p-sn-old',mp.state_dict(),mp)
fk=rand(FastKAN([6,4,3])); 
for l in fk.layers: prune.l1_unstructured(l.spline_linear,'weight',.3); nn.utils.parametrizations.weight_norm(l.base_linear)
case('p-fast',fk.state_dict(),fk)
mq=torch.ao.quantization.quantize_dynamic(rand(FastKAN([6,4,3])),{nn.Linear}); case('p-quant',mq.state_dict(),None,expect='refuse',mention=['quant'])
lp=nn.Sequential(nn.Linear(6,5),KANLinear(5,3)); prune.l1_unstructured(lp[0],'weight',.5); case('p-linear-prune',lp.state_dict(),lp.eval())
# parts
class BH(nn.Module):
    def __init__(s,name='head',n=6):
        super().__init__(); s.backbone=nn.Sequential(nn.Conv2d(3,4,3),nn.BatchNorm2d(4),nn.ReLU(),nn.Flatten(),nn.Linear(4,6)); setattr(s,name,rand(KAN([6,4,3])))
b=BH(); 
case('h-bh',b.state_dict(),b.head,flags=['--prefix','head'],without='refuse',mention=['head.','--prefix'])
case('h-bh-dp',{'module.'+k:v for k,v in b.state_dict().items()},b.head,flags=['--prefix','module.head.'],without='refuse',mention=['module.head.'])
b=BH('fc'); case('h-fc',{'state_dict':b.state_dict()},b.fc,flags=['--prefix','fc.'],without='refuse',mention=['fc.'])
import torch.nn as nn
class Res(nn.Module):
    def __init__(s):
        super().__init__(); s.conv1=nn.Conv2d(3,8,3); s.bn1=nn.BatchNorm2d(8); s.layer1=nn.Sequential(nn.Conv2d(8,8,3),nn.BatchNorm2d(8)); s.fc=KANLinear(8,3)
r=Res(); case('h-res',r.state_dict(),rand(r.fc),flags=['--prefix','fc'],without='refuse',mention=['fc.'],i=8)
class Cl(nn.Module):
    def __init__(s):
        super().__init__(); s.features=nn.Conv2d(3,6,3); s.classifier=nn.Sequential(nn.Dropout(),KANLinear(6,8),nn.ReLU(),KANLinear(8,3))
c=rand(Cl()); case('h-cl-relu',c.state_dict(),None,expect='refuse',mention=['classifier'])
c2=nn.Sequential(c.classifier[1],c.classifier[3]).eval(); case('h-cl',c.state_dict(),c2,flags=['--layers','classifier.1,classifier.3'],without='refuse',mention=['classifier'])
case('h-cl-rel',c.state_dict(),c2,flags=['--prefix','classifier','--layers','1,3'],without='refuse')
class Two(nn.Module):
    def __init__(s):
        super().__init__(); s.cls_head=rand(KAN([6,4,3])); s.box_head=rand(KAN([6,5,4])); s.ctr=rand(KAN([6,5,1]))
t=Two(); x=torch.rand(5,6)*2-1
case('h-two',t.state_dict(),None,x=x,y=torch.cat([t.cls_head(x),t.box_head(x),t.ctr(x)],1).detach(),flags=['--prefix','cls_head,box_head,ctr'],without='refuse',mention=['cls_head','box_head','ctr'])
case('h-two-1',t.state_dict(),t.box_head,flags=['--prefix','box_head.'],without='refuse')
class TwoF(nn.Module):
    def __init__(s):
        super().__init__(); s.a=KANLinear(6,3); s.b=KANLinear(6,4)
t=rand(TwoF()); case('h-two-flat',t.state_dict(),None,x=x,y=torch.cat([t.a(x),t.b(x)],1).detach(),flags=['--prefix','a,b'],without='refuse',mention=['a.','b.'])
thop={**m.state_dict()}; thop.update({'total_ops':torch.zeros(1,dtype=torch.float64),'layers.0.total_params':torch.zeros(1,dtype=torch.float64)}); case('h-thop',thop,m)
em={**m.state_dict(),'buf':torch.zeros(0)}; case('h-emptybuf',em,m)
# layers
def seq(name,mods,**k): s=rand(nn.Sequential(*mods)); case(name,s.state_dict(),s,**k)
class Attr(nn.Module):
    def __init__(s,names,mods):
        super().__init__(); s.names=names
        for n,mm in zip(names,mods): setattr(s,n,mm)
    def forward(s,x):
        for n in s.names: x=getattr(s,n)(x)
        return x
def attr(name,names,mods,**k): a=rand(Attr(names,mods)); case(name,a.state_dict(),a,**k)
L=KANLinear
for st,names in {'kan':['kan1','kan2','kan3'],'layer_':['layer_0','layer_1','layer_2'],'l':['l1','l2','l3'],'kan_layer':['kan_layer1','kan_layer2','kan_layer3'],'fc':['fc1','fc2','fc3']}.items():
    attr('l-attr-'+st,names,[L(6,5),L(5,4),L(4,3)])
attr('l-attr-12',[f'kan{i}' for i in range(1,13)],[L(6,6) for _ in range(12)])
attr('l-attr-gap',['kan1','kan3'],[L(6,5),L(5,3)],flags=['--layers','kan1,kan3'],without='refuse',mention=['kan2'])
attr('l-attr-names',['first','second'],[L(6,5),L(5,3)],flags=['--layers','first,second'],without='refuse',mention=['first,second'])
attr('l-attr-fast',['kan1','kan2'],[FastKANLayer(6,5),FastKANLayer(5,3)])
attr('l-attr-nets',['kan1','kan2'],[KAN([6,5]),KAN([5,4,3])])
attr('l-attr-lin',['fc1','kan2'],[nn.Linear(6,5),L(5,3)])
attr('l-attr-lin2',['fc1','kan1'],[nn.Linear(6,5),L(5,3)])
attr('l-attr-fc-last',['kan1','kan2','fc'],[L(6,5),L(5,4),nn.Linear(4,3)],flags=['--layers','kan1,kan2,fc'],without='refuse',mention=['--layers','fc'])
attr('l-attr-bn',['kan1','bn1','kan2'],[L(6,5),nn.BatchNorm1d(5),L(5,3)])
attr('l-attr-ln-sq',['fc1','ln1','fc2'],[L(5,5),nn.LayerNorm(5),L(5,3)],i=5,flags=['--norms','layer-norm','--layers','fc1,ln1,fc2'],without='refuse')
seq('l-lin-kan',[nn.Linear(6,5),L(5,3)]); seq('l-kan-lin',[L(6,5),nn.Linear(5,3)]); seq('l-lkl',[nn.Linear(6,5),L(5,4),nn.Linear(4,3)]); seq('l-klk',[L(6,5),nn.Linear(5,4,bias=False),L(4,3)])
seq('l-flat',[nn.Flatten(),L(6,5),L(5,3)],flags=['--layers','1,2'],without='refuse',mention=['0','1,2'])
seq('l-drop',[L(6,5),nn.Dropout(),L(5,4),nn.Dropout(),L(4,3)],flags=['--layers','0,2,4'],without='refuse',mention=['0,2,4'])
seq('l-nested',[nn.Sequential(L(6,5),L(5,4)),nn.Sequential(L(4,3))])
seq('l-bare',[L(6,3)])
bare=rand(L(6,3)); case('l-barest',bare.state_dict(),bare)
seq('l-fast-lin',[FastKANLayer(6,5),nn.Linear(5,3)]); seq('l-eff-fast',[L(6,5),FastKANLayer(5,3)],flags=['--layers','0,1'],without='exact_or_refuse')
tied=L(6,6); seq('l-tied',[tied]*5)
ms=K(); sfile=OUT+'/l-safe.safetensors'; save_file(ms.state_dict(),sfile); case('l-safe',None,ms,ext='.safetensors')
nd=nn.Sequential(collections.OrderedDict(kan1=L(6,5),act=nn.Identity(),kan2=L(5,3))); rand(nd); case('l-od',nd.state_dict(),nd)
# norms
LN='layer-norm'
seq('n-ln-first',[nn.LayerNorm(6),L(6,5),L(5,3)],flags=['--norms',LN],without='refuse',mention=['norm'])
seq('n-ln-last',[L(6,5),L(5,3),nn.LayerNorm(3)],flags=['--norms',LN],without='refuse',mention=['norm'])
seq('n-ln-all',[nn.LayerNorm(6),L(6,5),nn.LayerNorm(5),L(5,3),nn.LayerNorm(3)],flags=['--norms','layer_norm'],without='refuse',mention=['norm'])
seq('n-ln-eps',[nn.LayerNorm(6,eps=1e-2),L(6,3)],flags=['--norms','layer-norm:0.01'],without='refuse')
seq('n-ln-nobias',[nn.LayerNorm(6,bias=False),L(6,3)],flags=['--norms',LN],without='refuse')
seq('n-bn-first',[nn.BatchNorm1d(6),L(6,5),nn.BatchNorm1d(5),L(5,3),nn.BatchNorm1d(3)])
seq('n-bn-noaff',[nn.BatchNorm1d(6,affine=False),L(6,3)])
seq('n-bn-eps',[nn.BatchNorm1d(6,eps=1e-2),L(6,3)],flags=['--norms','batch-norm:1e-2'],without='exact')
seq('n-gn',[nn.GroupNorm(3,6),L(6,4),nn.GroupNorm(2,4),L(4,3)],flags=['--layers','0,1,2,3','--norms','group-norm:2'],expect='reject' if 0 else 'skip')
seq('n-gn2',[nn.GroupNorm(3,6),L(6,6),nn.GroupNorm(3,6),L(6,3)],flags=['--norms','group-norm:3'],without='refuse',mention=['group-norm'])
seq('n-bn-ln',[nn.BatchNorm1d(6),nn.LayerNorm(6),L(6,3)],flags=['--norms',LN],without='refuse')
seq('n-ln-bn',[nn.LayerNorm(6),nn.BatchNorm1d(6),L(6,3)],flags=['--norms',LN],without='refuse')
seq('n-ln-fast',[nn.LayerNorm(6),FastKANLayer(6,3)],flags=['--norms',LN],without='refuse')
seq('n-bn-fast',[nn.BatchNorm1d(6),FastKANLayer(6,5),nn.BatchNorm1d(5),FastKANLayer(5,3)])
seq('n-lin-ln',[nn.Linear(6,5),nn.LayerNorm(5),L(5,3)],flags=['--norms',LN],without='refuse')
seq('n-lin-bn-drop',[nn.Linear(6,5),nn.BatchNorm1d(5),nn.ReLU(),L(5,3)],expect='refuse',mention=['2'])
class ZN(nn.Module):
    def __init__(s,w,N,after,last=True,names=('layers','norms')):
        super().__init__(); s.after=after; s.names=names
        setattr(s,names[0],nn.ModuleList(L(a,b) for a,b in zip(w,w[1:])))
        ws=w[1:] if after else w[:-1]
        setattr(s,names[1],nn.ModuleList(N(a) for a in (ws if last else ws[:-1])))
    def forward(s,x):
        ls,ns=getattr(s,s.names[0]),getattr(s,s.names[1])
        for i,l in enumerate(ls):
            if not s.after: x=ns[i](x)
            x=l(x)
            if s.after and i<len(ns): x=ns[i](x)
        return x
for nm,N,fl in [('ln',nn.LayerNorm,['--norms',LN]),('bn',nn.BatchNorm1d,[])]:
    for af in (0,1):
        for last in ((1,0) if af else (1,)):
            z=rand(ZN([6,5,3],N,af,last)); case(f'n-zip-{nm}-{af}{last}',z.state_dict(),z,flags=fl,without='refuse' if fl else None)
z=rand(ZN([6,6,6],nn.LayerNorm,1)); case('n-zip-sq-after',z.state_dict(),None,expect='skip')
z=rand(ZN([6,5,3],nn.LayerNorm,1,0,('kan_layers','layer_norms'))); case('n-zip-names',z.state_dict(),z,flags=['--norms',LN],without='refuse')
case('n-zip-pref',{'model.'+k:v for k,v in z.state_dict().items()},z,flags=['--norms',LN,'--prefix','model'],without='refuse')
# base functions
for nm,A,arg in [('leaky',nn.LeakyReLU,'leaky-relu'),('leaky2',lambda:nn.LeakyReLU(.2),'leaky_relu:0.2'),('mish',nn.Mish,'mish'),('elu',nn.ELU,'elu'),('selu',nn.SELU,'selu'),('softplus',nn.Softplus,'softplus'),('hardswish',nn.Hardswish,'hardswish'),('gelu',nn.GELU,'gelu'),('tanh',nn.Tanh,'tanh'),('id',nn.Identity,'identity'),('relu',nn.ReLU,'relu'),('sig',nn.Sigmoid,'sigmoid')]:
    mb=rand(KAN([6,4,3],base_activation=A)); case('b-'+nm,mb.state_dict(),mb,flags=['--base-activation',arg],x=torch.randn(9,6)*3,without='assume')
class PR(nn.PReLU):
    def __init__(s): super().__init__(); nn.init.normal_(s.weight)
mb=rand(KAN([6,4,3],base_activation=PR)); case('b-prelu',mb.state_dict(),mb); case('b-prelu2',mb.state_dict(),mb,flags=['--base-activation','prelu'])
mb=rand(L(6,3,base_activation=lambda:nn.PReLU(6))); nn.init.normal_(mb.base_activation.weight); case('b-prelu-wide',mb.state_dict(),None,expect='refuse',mention=['base_activation'])
json.dump(cases,open(OUT+'/cases.json','w'))
print(len(cases))
