"""How alike two models represent the same samples: from embeddings [n, d1] and [n, d2].

`pairs` says which embeddings can be compared, `measures` names all measures with what they do not
see, `null` sets each beside its value on permuted samples. All sums are in float64.
"""
