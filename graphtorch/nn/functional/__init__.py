"""`torch.nn.functional`: layers without state.  One file per family; this page lists the names."""

# isort: off
from ... import absent as absent
from .activation import (
    celu, elu, elu_, gelu, glu, gumbel_softmax, hardshrink, hardsigmoid, hardswish, hardtanh, hardtanh_,
    leaky_relu, leaky_relu_, log_softmax, logsigmoid, mish, prelu, relu, relu6, relu_, rrelu, selu, sigmoid,
    silu, softmax, softmin, softplus, softshrink, softsign, tanh, tanhshrink, threshold, threshold_,
)  # fmt: skip
from .adaptive_pooling import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, adaptive_max_pool1d, adaptive_max_pool2d,
    adaptive_max_pool3d,
)  # fmt: skip
from .attention import scaled_dot_product_attention
from .convolution import (
    conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d, fold, unfold,
)  # fmt: skip
from .dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from .fractional_pooling import fractional_max_pool2d, fractional_max_pool3d
from .linear import bilinear, embedding, embedding_bag, linear, one_hot
from .linear_cross_entropy import linear_cross_entropy
from .loss import (
    binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, ctc_loss, gaussian_nll_loss, huber_loss,
    kl_div, l1_loss, mse_loss, nll_loss, poisson_nll_loss, smooth_l1_loss,
)  # fmt: skip
from .margin_loss import (
    cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss, multi_margin_loss, multilabel_margin_loss,
    multilabel_soft_margin_loss, soft_margin_loss, triplet_margin_loss, triplet_margin_with_distance_loss,
)  # fmt: skip
from .multi_head_attention import multi_head_attention_forward
from .normalization import (
    batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm,
)  # fmt: skip
from .padding import (
    channel_shuffle,
    interpolate,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from .pooling import (
    avg_pool1d, avg_pool2d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d, max_pool1d, max_pool2d, max_pool3d,
    max_unpool1d, max_unpool2d, max_unpool3d,
)  # fmt: skip
from .sampling import affine_grid, grid_sample
from .similarity import cosine_similarity, normalize, pairwise_distance, pdist


def _with_indices(pool):  # type: ignore[no-untyped-def]
    def with_indices(*args, **kwargs):  # type: ignore[no-untyped-def]
        return pool(*args, **{**kwargs, "return_indices": True})

    with_indices.__name__ = with_indices.__qualname__ = f"{pool.__name__}_with_indices"
    with_indices.__doc__ = f"`{pool.__name__}` with the maxima's positions."
    return with_indices


for _pool in (
    max_pool1d, max_pool2d, max_pool3d, adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d,
    fractional_max_pool2d, fractional_max_pool3d,
):  # fmt: skip
    globals()[f"{_pool.__name__}_with_indices"] = _with_indices(_pool)

__getattr__ = absent.names_of(__name__)
