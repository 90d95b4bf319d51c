//! Attention and its gradient against references in `f64`.

mod support;

use ccsr_kernels::attention::{Attention, Heads, Layout, Mask, Strides};
use ccsr_kernels::attention_backward::{Forwarded, Gradients};
use support::{assert_close, assert_same_on_threads, numbers};

/// The reference's result and gradients, each `[batch, heads, rows, dim]`.
struct Want {
    out: Vec<f64>,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
}

fn get(of: Heads<'_>, batch: usize, head: usize, row: usize, i: usize) -> f64 {
    f64::from(of.data[batch * of.strides.batch + head * of.strides.head + row * of.strides.row + i])
}

fn reference(a: &Attention<'_>, q: Heads<'_>, k: Heads<'_>, v: Heads<'_>, grad: Heads<'_>) -> Want {
    let group = a.heads / a.kv_heads;
    let scale = f64::from(a.scale);
    let kv_size = a.batch * a.kv_heads * a.keys * a.dim;
    let mut want = Want {
        out: Vec::new(),
        q: Vec::new(),
        k: vec![0.0; kv_size],
        v: vec![0.0; kv_size],
    };
    let dot = |f: &dyn Fn(usize) -> f64| (0..a.dim).map(f).sum::<f64>();
    for (batch, head, row) in (0..a.batch)
        .flat_map(|b| (0..a.heads).flat_map(move |h| (0..a.queries).map(move |r| (b, h, r))))
    {
        let kv = head / group;
        let scores: Vec<f64> = (0..a.keys)
            .map(|key| {
                if a.causal.is_some_and(|offset| key > row + offset) {
                    return f64::NEG_INFINITY;
                }
                let mask = a.mask.map_or(0.0, |m| {
                    get(
                        Heads {
                            data: m.data,
                            strides: m.strides,
                        },
                        batch,
                        head,
                        row,
                        key,
                    )
                });
                scale * dot(&|i| get(q, batch, head, row, i) * get(k, batch, kv, key, i)) + mask
            })
            .collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| (s - most).exp()).sum();
        let p: Vec<f64> = scores
            .iter()
            .map(|s| {
                if most == f64::NEG_INFINITY {
                    0.0
                } else {
                    (s - most).exp() / sum
                }
            })
            .collect();
        let out: Vec<f64> = (0..a.dim)
            .map(|i| {
                (0..a.keys)
                    .map(|key| p[key] * get(v, batch, kv, key, i))
                    .sum()
            })
            .collect();
        let delta = dot(&|i| out[i] * get(grad, batch, head, row, i));
        let mut dq = vec![0.0; a.dim];
        for (key, p) in p.iter().enumerate() {
            let dp = dot(&|i| get(grad, batch, head, row, i) * get(v, batch, kv, key, i));
            let ds = p * (dp - delta) * scale;
            let at = ((batch * a.kv_heads + kv) * a.keys + key) * a.dim;
            for (i, dq) in dq.iter_mut().enumerate() {
                *dq += ds * get(k, batch, kv, key, i);
                want.k[at + i] += ds * get(q, batch, head, row, i);
                want.v[at + i] += p * get(grad, batch, head, row, i);
            }
        }
        want.out.extend(out);
        want.q.extend(dq);
    }
    want
}

/// `[batch, heads, rows, dim]` of a result in a layout.
fn heads_first(
    x: &[f32],
    layout: Layout,
    (batch, heads, rows, dim): (usize, usize, usize, usize),
) -> Vec<f32> {
    let strides = layout.strides(heads, rows, dim);
    let mut out = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            for r in 0..rows {
                out.extend(&x[b * strides.batch + h * strides.head + r * strides.row..][..dim]);
            }
        }
    }
    out
}

struct Got {
    out: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

fn run(a: &Attention<'_>, layout: Layout, q: &[f32], k: &[f32], v: &[f32], grad: &[f32]) -> Got {
    let kv_strides = layout.strides(a.kv_heads, a.keys, a.dim);
    let q = Heads {
        data: q,
        strides: layout.strides(a.heads, a.queries, a.dim),
    };
    let (k, v) = (
        Heads {
            data: k,
            strides: kv_strides,
        },
        Heads {
            data: v,
            strides: kv_strides,
        },
    );
    let mut got = Got {
        out: vec![7.0; q.data.len()],
        q: vec![7.0; q.data.len()],
        k: vec![7.0; k.data.len()],
        v: vec![7.0; v.data.len()],
    };
    let mut log_sums = vec![0.0; a.batch * a.heads * a.queries];
    a.forward(q, k, v, layout, &mut got.out, Some(&mut log_sums));
    let mut again = vec![0.0; got.out.len()];
    a.forward(q, k, v, layout, &mut again, None);
    assert!(
        again
            .iter()
            .zip(&got.out)
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
    let forwarded = Forwarded {
        q,
        k,
        v,
        out: &got.out,
        log_sums: &log_sums,
    };
    a.backward(
        forwarded,
        layout,
        grad,
        &mut Gradients {
            q: &mut got.q,
            k: &mut got.k,
            v: &mut got.v,
        },
    );
    got
}

fn shape(
    batch: usize,
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    dim: usize,
) -> Attention<'static> {
    let scale = 1.0 / (dim as f32).sqrt();
    Attention {
        batch,
        heads,
        kv_heads,
        queries,
        keys,
        dim,
        scale,
        causal: None,
        mask: None,
    }
}

fn check(a: &Attention<'_>) {
    let q = numbers(a.batch * a.heads * a.queries * a.dim, 1);
    let k = numbers(a.batch * a.kv_heads * a.keys * a.dim, 2);
    let v = numbers(a.batch * a.kv_heads * a.keys * a.dim, 3);
    let grad = numbers(q.len(), 4);
    for layout in [Layout::HeadsFirst, Layout::RowsFirst] {
        let got = run(a, layout, &q, &k, &v, &grad);
        let q_strides = layout.strides(a.heads, a.queries, a.dim);
        let kv_strides = layout.strides(a.kv_heads, a.keys, a.dim);
        let heads = |data, strides| Heads { data, strides };
        let want = reference(
            a,
            heads(&q, q_strides),
            heads(&k, kv_strides),
            heads(&v, kv_strides),
            heads(&grad, q_strides),
        );
        let what = format!(
            "{layout:?} {} {} {} {} {} {}",
            a.batch, a.heads, a.kv_heads, a.queries, a.keys, a.dim
        );
        let queries = (a.batch, a.heads, a.queries, a.dim);
        let keys = (a.batch, a.kv_heads, a.keys, a.dim);
        assert_close(
            &heads_first(&got.out, layout, queries),
            &want.out,
            2e-6,
            &what,
        );
        if a.keys > 1 {
            assert_close(
                &heads_first(&got.q, layout, queries),
                &want.q,
                3e-6,
                &format!("dq {what}"),
            );
            assert_close(
                &heads_first(&got.k, layout, keys),
                &want.k,
                3e-6,
                &format!("dk {what}"),
            );
        }
        assert_close(
            &heads_first(&got.v, layout, keys),
            &want.v,
            3e-6,
            &format!("dv {what}"),
        );
    }
}

#[test]
fn shapes_of_all_kinds() {
    for a in [
        shape(1, 1, 1, 1, 1, 1),
        shape(2, 3, 3, 5, 7, 3),
        shape(1, 2, 1, 17, 97, 40),
        shape(2, 2, 2, 64, 96, 64),
        shape(1, 4, 2, 65, 193, 80),
        shape(1, 8, 2, 1, 300, 128),
        shape(1, 8, 2, 3, 100, 16),
        shape(2, 6, 3, 40, 77, 64),
        shape(1, 1, 1, 130, 130, 160),
        shape(2, 2, 2, 33, 31, 9),
        shape(1, 30, 30, 70, 20, 8),
        shape(0, 2, 2, 4, 4, 4),
        shape(1, 2, 2, 0, 4, 4),
    ] {
        check(&a);
    }
}

#[test]
fn causal() {
    for (queries, keys, offset) in [
        (5, 5, 0),
        (150, 150, 0),
        (70, 200, 130),
        (1, 40, 39),
        (100, 20, 0),
        (100, 50, 3),
    ] {
        for (heads, kv_heads) in [(2, 2), (4, 2)] {
            check(&Attention {
                causal: Some(offset),
                ..shape(2, heads, kv_heads, queries, keys, 24)
            });
        }
    }
}

#[test]
fn masks() {
    let (batch, heads, queries, keys) = (2, 2, 70, 110);
    let hidden = |mut mask: Vec<f32>| {
        for (i, mask) in mask.iter_mut().enumerate() {
            if i % 3 == 0 {
                *mask = f32::NEG_INFINITY;
            }
        }
        mask
    };
    let full = hidden(numbers(batch * heads * queries * keys, 9));
    let strides = Strides {
        batch: heads * queries * keys,
        head: queries * keys,
        row: keys,
    };
    check(&Attention {
        mask: Some(Mask {
            data: &full,
            strides,
        }),
        ..shape(batch, heads, 1, queries, keys, 20)
    });
    // One row of keys an item, as for padding.
    let padding = hidden(numbers(batch * keys, 9));
    let strides = Strides {
        batch: keys,
        head: 0,
        row: 0,
    };
    check(&Attention {
        mask: Some(Mask {
            data: &padding,
            strides,
        }),
        causal: Some(40),
        ..shape(batch, heads, 2, queries, keys, 20)
    });
}

#[test]
fn a_query_that_sees_nothing_gets_zeros() {
    let mut mask = vec![0.0; 20 * 120];
    mask[5 * 120..6 * 120].fill(f32::NEG_INFINITY);
    // Nothing in the first tile, something in the second.
    mask[7 * 120..7 * 120 + 100].fill(f32::NEG_INFINITY);
    let strides = Strides {
        batch: 0,
        head: 0,
        row: 120,
    };
    let a = Attention {
        mask: Some(Mask {
            data: &mask,
            strides,
        }),
        ..shape(1, 2, 2, 20, 120, 8)
    };
    check(&a);
    let (q, k) = (numbers(2 * 20 * 8, 1), numbers(2 * 120 * 8, 2));
    let got = run(&a, Layout::HeadsFirst, &q, &k, &k, &q);
    assert_eq!(got.out[5 * 8..6 * 8], [0.0; 8]);
    assert_eq!(got.q[5 * 8..6 * 8], [0.0; 8]);
}

#[test]
fn large_scores_and_nan() {
    let a = Attention {
        scale: 100.0,
        ..shape(1, 1, 1, 20, 200, 8)
    };
    let (mut q, k, v) = (numbers(20 * 8, 1), numbers(200 * 8, 2), numbers(200 * 8, 3));
    let got = run(&a, Layout::HeadsFirst, &q, &k, &v, &q);
    assert!(
        got.out
            .iter()
            .chain(&got.q)
            .chain(&got.k)
            .chain(&got.v)
            .all(|x| x.is_finite())
    );
    q[3 * 8 + 2] = f32::from_bits(0x7FC0_01FF);
    let got = run(&a, Layout::HeadsFirst, &q, &k, &v, &q);
    assert!(got.out[3 * 8..4 * 8].iter().all(|x| x.is_nan()));
    assert!(
        got.out[..3 * 8]
            .iter()
            .chain(&got.out[4 * 8..])
            .all(|x| x.is_finite())
    );
}

#[test]
fn an_item_is_the_same_in_a_batch_and_on_any_threads() {
    for (heads, kv_heads, queries, keys, dim) in [
        (4, 4, 200, 200, 40),
        (8, 2, 1, 300, 64),
        (20, 20, 64, 77, 64),
    ] {
        let a = shape(3, heads, kv_heads, queries, keys, dim);
        let (q, k) = (
            numbers(3 * heads * queries * dim, 1),
            numbers(3 * kv_heads * keys * dim, 2),
        );
        let item = |x: &[f32]| x[x.len() / 3..x.len() / 3 * 2].to_vec();
        for layout in [Layout::HeadsFirst, Layout::RowsFirst] {
            let all = run(&a, layout, &q, &k, &k, &q);
            let alone = run(
                &Attention { batch: 1, ..a },
                layout,
                &item(&q),
                &item(&k),
                &item(&k),
                &item(&q),
            );
            assert_eq!(item(&all.out), alone.out);
            assert_eq!(item(&all.q), alone.q);
            assert_eq!(item(&all.k), alone.k);
            assert_eq!(item(&all.v), alone.v);
            assert_same_on_threads(|| {
                let got = run(&a, layout, &q, &k, &k, &q);
                [got.out, got.q, got.k, got.v].concat()
            });
        }
    }
}
