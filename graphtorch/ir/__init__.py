"""What a program is: types, the op table, graphs, and what one may do with a graph.

In the order the data visits them:

    types        f32[4, 16]
    op, ops/     what an op is; one row per op, one file per family
    dispatch     who answers when an op is called
    graph        Node, Graph: immutable SSA, networkx as the lens
    builder      ops called on nodes become new nodes
    text, parse  a graph as Python that runs, and back
    verify       the rules a graph keeps
    interpret    a graph run on NumPy arrays; a graph bound again through dispatch
    derivative   how derivative rules are called
    rules        rewrite rules as a table written in the program's own operators
    transforms/  change the meaning: vjp
    passes/      keep the meaning: dce, cse, simplify, fuse, ...
    dot          a graph as dot, svg or json

Nothing here knows of tensors, devices or machine code.
"""
