"""Triplet losses of pytorch-metric-learning, with their gradient."""

import pytorch_metric_learning
from common import answer, arrays, request, time_calls
from pytorch_metric_learning import distances, losses, miners, reducers


def main():
    asked = request()
    distance = distances.LpDistance(normalize_embeddings=False)
    mining, margin = asked["mining"], asked["margin"]
    miner = None
    if mining == "hard":
        miner = miners.BatchHardMiner(distance=distance)
    elif mining == "semi_hard":
        miner = miners.TripletMarginMiner(margin, "semihard", distance=distance)
    reducer = reducers.AvgNonZeroReducer() if mining == "all" else reducers.MeanReducer()
    loss = losses.TripletMarginLoss(margin=margin, distance=distance, reducer=reducer)

    def make_inputs(index):
        inputs = arrays(asked["inputs"][index], asked["device"])
        return inputs["embeddings"].requires_grad_(), inputs["labels"]

    def call(inputs):
        embeddings, labels = inputs
        value = loss(embeddings, labels, miner(embeddings, labels) if miner else None)
        value.backward()
        return value.detach()

    said = time_calls(call, make_inputs, len(asked["inputs"]), asked["device"])
    answer(said, **{"pytorch-metric-learning": pytorch_metric_learning.__version__})


main()
