//! k-means on the CPU and on an adapter, against plain loops, closed forms and another library's result.

mod support;

use sharekan::compress::kmeans::{KMeans, KMeansError, Score, Settings};
use sharekan::run::Gpu;
use support::GPU;

/// -1 to 1, the same everywhere: the outputs of SplitMix64.
fn number(n: usize) -> f32 {
    let mut z = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(number).collect()
}

fn settings(score: Score, codewords: usize, iterations: usize) -> Settings {
    Settings::default().score(score).codewords(codewords).iterations(iterations).enough(0.0).seed(5)
}

fn gpu() -> Gpu {
    GPU.clone()
}

fn cluster(points: &[f32], d: usize, gpu: Option<&Gpu>, settings: &Settings) -> Vec<f32> {
    let kmeans = KMeans::new(points, d, gpu).unwrap();
    assert_eq!(kmeans.on_gpu(), gpu.is_some());
    kmeans.cluster(settings, &mut |_, _| {}).unwrap()
}

/// Error of one point with one codeword, in f64.
fn error(x: &[f32], c: &[f32], score: Score) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    match score {
        Score::Distance => x.iter().zip(c).map(|(x, c)| (f64::from(*x) - f64::from(*c)).powi(2)).sum(),
        Score::Direction => dot(x, x) - dot(x, c).powi(2),
    }
}

/// Error of all points, each with its best codeword, by a plain loop in f64.
fn total_error(points: &[f32], d: usize, codewords: &[f32], score: Score) -> f64 {
    let best = |x| codewords.chunks(d).map(|c| error(x, c, score)).fold(f64::INFINITY, f64::min);
    points.chunks(d).map(best).sum()
}

/// Four lines in the plane, points of both signs and many sizes on them.
#[test]
fn finds_lines_whatever_the_sign_and_size() {
    let angles = [0.1f32, 0.9, 1.7, 2.5];
    let points: Vec<f32> = (0..400)
        .flat_map(|n| {
            let size = (1.0 + (n / 4) as f32 * 0.37) * if n % 3 == 0 { -1.0 } else { 1.0 };
            let angle = angles[n % 4];
            [size * angle.cos(), size * angle.sin()]
        })
        .collect();
    let gpu = gpu();
    for gpu in [None, Some(&gpu)] {
        let shapes = cluster(&points, 2, gpu, &settings(Score::Direction, 4, 25));
        for angle in angles {
            let met = shapes.chunks(2).any(|s| (s[0] * angle.cos() + s[1] * angle.sin()).abs() > 0.9999);
            assert!(met, "no shape near {angle}: {shapes:?}");
        }
    }
}

/// Two heaps: the means are known.
#[test]
fn finds_the_means_of_heaps() {
    let points: Vec<f32> = (0..3000).flat_map(|n| [if n % 3 == 0 { 10.0 } else { -10.0 }, number(n)]).collect();
    let mean = |wanted: f32| {
        let heap: Vec<f64> = points.chunks(2).filter(|x| x[0] == wanted).map(|x| f64::from(x[1])).collect();
        heap.iter().sum::<f64>() / heap.len() as f64
    };
    let gpu = gpu();
    for gpu in [None, Some(&gpu)] {
        let mut found = cluster(&points, 2, gpu, &settings(Score::Distance, 2, 5));
        if found[0] > found[2] {
            found.rotate_left(2);
        }
        for (c, side) in found.chunks(2).zip([-10.0f32, 10.0]) {
            assert_eq!(c[0], side);
            assert!((f64::from(c[1]) - mean(side)).abs() < 1e-5, "{found:?}");
        }
    }
}

/// faiss-cpu 1.15.1, `Kmeans(10, 64, niter=10, seed=s, max_points_per_centroid=10**9)` on these points for s = 1 to
/// 5 gives squared errors of 31,676 to 31,913; the middle one counts.
#[test]
fn errors_are_not_above_those_of_faiss() {
    const FAISS: f64 = 31_867.146;
    let points = numbers(20_000 * 10);
    let gpu = gpu();
    for gpu in [None, Some(&gpu)] {
        let codewords = cluster(&points, 10, gpu, &settings(Score::Distance, 64, 10));
        let found = total_error(&points, 10, &codewords, Score::Distance);
        assert!(found < FAISS, "{found}, faiss {FAISS}");
    }
}

/// Within 1e-3 of the CPU's error, for lengths and counts that fill no group, tile or block; and twice the same bytes.
#[test]
fn an_adapter_reaches_the_error_of_the_cpu() {
    let gpu = gpu();
    for (points, d, count) in [(3000, 10, 100), (1500, 1, 7), (2500, 16, 301), (700, 64, 40), (515, 3, 1)] {
        let values = numbers(points * d);
        for score in [Score::Distance, Score::Direction] {
            let settings = settings(score, count, 12);
            let on_gpu = cluster(&values, d, Some(&gpu), &settings);
            assert_eq!(on_gpu, cluster(&values, d, Some(&gpu), &settings), "{points} points of {d}");
            let on_cpu = cluster(&values, d, None, &settings);
            let (g, c) = (total_error(&values, d, &on_gpu, score), total_error(&values, d, &on_cpu, score));
            assert!((g - c).abs() <= 1e-3 * c + 1e-6, "{points} points of {d}, {score:?}: {g}, CPU {c}");
            for k in on_gpu.chunks(d).filter(|_| score == Score::Direction) {
                let length: f32 = k.iter().map(|v| v * v).sum();
                assert!((length - 1.0).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn assignments_are_the_best_on_both() {
    let gpu = gpu();
    for (points, d, count) in [(1000, 10, 70), (600, 33, 9), (513, 2, 600)] {
        let values = numbers(points * d);
        for score in [Score::Distance, Score::Direction] {
            let mut codewords: Vec<f32> = (0..count * d).map(|n| number(n + 77_777_777)).collect();
            for c in codewords.chunks_mut(d).filter(|_| score == Score::Direction) {
                let length = c.iter().map(|v| v * v).sum::<f32>().sqrt();
                c.iter_mut().for_each(|v| *v /= length);
            }
            for gpu in [None, Some(&gpu)] {
                let matches = KMeans::new(&values, d, gpu).unwrap().assign(&codewords, score).unwrap();
                assert_eq!(matches.len(), points);
                for (x, found) in values.chunks(d).zip(matches) {
                    let best = codewords.chunks(d).map(|c| error(x, c, score)).fold(f64::INFINITY, f64::min);
                    let own = error(x, &codewords[found.codeword as usize * d..][..d], score);
                    assert!(own - best < 1e-4, "{own}, best {best}");
                    assert!((f64::from(found.error) - own).abs() < 1e-4);
                }
            }
        }
    }
}

/// More codewords than places: those without points are moved and stay finite.
#[test]
fn survives_points_of_zero_and_more_codewords_than_places() {
    let mut points = vec![0.0f32; 40 * 3];
    points[30] = 2.0;
    points[50] = 0.5;
    let gpu = gpu();
    for gpu in [None, Some(&gpu)] {
        for score in [Score::Distance, Score::Direction] {
            let codewords = cluster(&points, 3, gpu, &settings(score, 16, 10));
            assert_eq!(codewords.len(), 48);
            assert!(codewords.iter().all(|v| v.is_finite()));
            assert!(total_error(&points, 3, &codewords, score) < 1e-6);
        }
    }
}

/// All points but one lie at one place, and the start looks at every other point: where it misses that one, both codewords lie
/// at the same place, and the one that is left without points goes to the point met worst, in the first round already.
#[test]
fn a_codeword_without_points_goes_to_the_point_met_worst() {
    let gpu = gpu();
    for lone in 0..8 {
        let mut points = vec![0.0f32; 65_536 * 2];
        points[2 * lone..2 * lone + 2].copy_from_slice(&[3.0, 4.0]);
        for gpu in [None, Some(&gpu)] {
            let found = cluster(&points, 2, gpu, &settings(Score::Distance, 2, 1));
            assert!(found.chunks(2).any(|c| c == [3.0, 4.0]), "point {lone}, adapter {}: {found:?}", gpu.is_some());
        }
    }
}

#[test]
fn the_same_bytes_whatever_the_number_of_threads() {
    let values = numbers(30_000 * 10);
    for score in [Score::Distance, Score::Direction] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cluster(&values, 10, None, &settings(score, 50, 4)))
        };
        assert_eq!(run(1), run(3));
    }
}

#[test]
fn refuses_what_is_no_points_or_codewords() {
    assert!(matches!(KMeans::new(&[], 3, None), Err(KMeansError::Points { .. })));
    assert!(matches!(KMeans::new(&[1.0; 4], 3, None), Err(KMeansError::Points { values: 4, d: 3 })));
    assert!(matches!(KMeans::new(&[1.0; 4], 0, None), Err(KMeansError::Points { .. })));
    let kmeans = KMeans::new(&[1.0; 6], 3, None).unwrap();
    for codewords in [0, 3] {
        let refused = kmeans.cluster(&settings(Score::Distance, codewords, 1), &mut |_, _| {});
        assert!(matches!(refused, Err(KMeansError::Codewords { points: 2, .. })));
    }
    assert!(matches!(kmeans.assign(&[1.0; 4], Score::Distance), Err(KMeansError::Codewords { .. })));
}
