import hashlib, json
from pathlib import Path
from dataclasses import dataclass
import nbformat
from grader.records import Cell, CellKind
@dataclass(frozen=True)
class NotebookFile:
    cells: tuple
    sha256: str
def read_notebook(path):
    data=path.read_bytes()
    nb=nbformat.reads(data.decode('utf-8-sig'),as_version=4)
    cells=[]
    for i,c in enumerate(nb.cells,1):
        out=''.join(o.get('text','') for o in c.get('outputs',[]) if o.output_type=='stream')
        cells.append(Cell(index=i,kind=CellKind(c.cell_type),source=c.source,execution_count=c.get('execution_count'),output=out))
    return NotebookFile(tuple(cells),hashlib.sha256(data).hexdigest())
def load_node(path):
    nb=nbformat.reads(path.read_bytes().decode('utf-8-sig'),as_version=4)
    for c in nb.cells:
        c.metadata={}
        if c.cell_type=='code': c.outputs=[]; c.execution_count=None
    return nb
