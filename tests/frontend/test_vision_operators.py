"""torchvision's operators under torch.ops."""

import graphtorch as torch


def test_box_suppression():
    torch.ops.load_library("somewhere/torchvision/_C.so")
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 10, 5]])
    scores = torch.tensor([0.8, 0.9, 0.1, 0.7])
    nms = torch.ops.torchvision.nms
    assert nms(boxes, scores, 0.5).tolist() == [1, 3, 2]
    assert nms(boxes, scores, 0.9).tolist() == [1, 0, 3, 2]
    assert nms(boxes, scores, 0.3).tolist() == [1, 2]
    assert nms(boxes[:0], scores[:0], 0.5).tolist() == []
    kept = torch.compile(lambda b, s: b[nms(b, s, 0.5)].sum())
    assert kept(boxes, scores).item() == 24 + 15 + 100
