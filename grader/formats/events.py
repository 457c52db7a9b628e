import struct, numpy as np
from pathlib import Path
from tensorboard.compat.proto import event_pb2
from grader.records import *
def read_runs(folder):
    out={}
    for d in sorted({p.parent for p in folder.rglob('*tfevents*')}):
        S={};H={};files=[];kinds={}
        for f in sorted(d.glob('*tfevents*')):
            b=f.read_bytes();i=0;n=0
            while i+12<=len(b):
                (l,)=struct.unpack('<Q',b[i:i+8]); e=event_pb2.Event.FromString(b[i+12:i+12+l]); i+=16+l;n+=1
                for v in e.summary.value:
                    k=v.metadata.plugin_data.plugin_name or kinds.get(v.tag); kinds[v.tag]=k
                    if k=='scalars': S.setdefault(v.tag,[]).append((e.step,float(np.frombuffer(v.tensor.tensor_content or np.array(list(v.tensor.float_val),'f4').tobytes(),'<f4')[0]),e.wall_time))
                    elif k=='histograms': H.setdefault(v.tag,[]).append((e.step,np.frombuffer(v.tensor.tensor_content,'<f8').reshape(-1,3),e.wall_time))
            files.append(LogFile(name=f.name,state=FileState.OK,events=n))
        out[str(d.relative_to(folder))]=Run(name=str(d.relative_to(folder)),files=tuple(files),
          scalars=tuple(Scalars(tag=t,steps=np.array([p[0] for p in q]),values=np.array([p[1] for p in q]),times=np.array([p[2] for p in q])) for t,q in S.items()),
          histograms=tuple(Histograms(tag=t,steps=np.array([p[0] for p in q]),buckets=tuple(p[1] for p in q),times=np.array([p[2] for p in q])) for t,q in H.items()))
    return out
