//! Traces, the same ones each time: what is asked for in which order, and how large it is.
//!
//! | trace | what it is |
//! |---|---|
//! | `zipf` | a set of objects with zipf popularity that drifts, and between them objects that are asked for once |
//! | `scan` | the same, and in the middle third somebody reads twice the cache's bytes of cold objects, once each |
//! | `equal` | objects asked for equally often: nothing to learn |
//!
//! Popularity drifts by exchanging two ranks: one drawn as requests are, so that what is popular falls, and one drawn
//! evenly, which rises. An object at any rank is therefore asked for about `drift` times before it falls. Sizes are log-normal, independent of popularity, and cut off.

/// What a trace is made from. All can be set by `name=value` arguments.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Requests, without those of the scan.
    pub requests: usize,
    /// Objects, without those of the scan.
    pub objects: usize,
    /// Share of objects that are asked for once.
    pub one_hit: f64,
    /// The rank `r` is asked for in proportion to `r^-alpha`.
    pub alpha: f64,
    /// Requests between two exchanges of ranks.
    pub drift: usize,
    /// Median of the sizes in bytes.
    pub median: f64,
    /// Standard deviation of their logarithms.
    pub sigma: f64,
    /// Larger sizes are cut off to this.
    pub largest: u32,
    /// Another seed makes another trace.
    pub seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            requests: 500_000,
            objects: 150_000,
            one_hit: 0.65,
            alpha: 0.9,
            drift: 200,
            median: 20.0 * 1024.0,
            sigma: 1.8,
            largest: 1 << 20,
            seed: 1,
        }
    }
}

impl Parameters {
    /// Sets what is called `name`; `None` if nothing is, or `value` is no number.
    pub fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "requests" => self.requests = value.parse().ok()?,
            "objects" => self.objects = value.parse().ok()?,
            "one_hit" => self.one_hit = value.parse().ok()?,
            "alpha" => self.alpha = value.parse().ok()?,
            "drift" => self.drift = value.parse().ok()?,
            "median" => self.median = value.parse().ok()?,
            "sigma" => self.sigma = value.parse().ok()?,
            "largest" => self.largest = value.parse().ok()?,
            "seed" => self.seed = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

/// A trace.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Its name.
    pub name: &'static str,
    /// The size of each object's body in bytes.
    pub sizes: Vec<u32>,
    /// Which object each request is for.
    pub requests: Vec<u32>,
}

impl Trace {
    /// Popular objects and one-hit wonders.
    pub fn zipf(with: &Parameters) -> Self {
        let mut random = Random::new(with.seed);
        let sizes = sizes(&mut random, with, with.objects);
        let once = (with.objects as f64 * with.one_hit) as usize;
        let mut popular = Popular::new(with.objects - once, with.alpha);
        // The one-hit wonders come after the popular objects, in the order in which they are asked for.
        let mut wonders = (with.objects - once..with.objects).map(|id| id as u32);
        let mut requests = Vec::with_capacity(with.requests);
        for at in 0..with.requests {
            if at % with.drift.max(1) == 0 {
                popular.drift(&mut random);
            }
            let left = (with.requests - at) as f64;
            let wonder = random.unit() * left < wonders.len() as f64;
            let id = if wonder { wonders.next() } else { None };
            requests.push(id.unwrap_or_else(|| popular.draw(&mut random)));
        }
        Self { name: "zipf", sizes, requests }
    }

    /// The same, while somebody reads `bytes` of cold objects from one end to the other: every second request of the
    /// middle, as long as there are any.
    pub fn scan(with: &Parameters, bytes: u64) -> Self {
        let Self { mut sizes, requests, .. } = Self::zipf(with);
        let mut random = Random::new(with.seed + 1);
        let mut left = bytes;
        let mut cold = Vec::new();
        while left > 0 {
            cold.push(sizes.len() as u32);
            sizes.push(size(&mut random, with));
            left = left.saturating_sub(u64::from(*sizes.last().unwrap_or(&0)));
        }
        let mut cold = cold.into_iter();
        let mut mixed = Vec::with_capacity(requests.len() + cold.len());
        for (at, id) in requests.iter().enumerate() {
            mixed.push(*id);
            if at >= requests.len() / 3 {
                mixed.extend(cold.next());
            }
        }
        Self { name: "scan", sizes, requests: mixed }
    }

    /// Objects of about `bytes` together, each as popular as another, ten requests for each.
    pub fn equal(with: &Parameters, bytes: u64) -> Self {
        let mut random = Random::new(with.seed + 2);
        let (mut sizes, mut left) = (Vec::new(), bytes);
        while left > 0 {
            sizes.push(size(&mut random, with));
            left = left.saturating_sub(u64::from(*sizes.last().unwrap_or(&0)));
        }
        let requests = (0..sizes.len() * 10).map(|_| random.below(sizes.len()) as u32).collect();
        Self { name: "equal", sizes, requests }
    }

    /// Bytes that all requests ask for.
    pub fn bytes(&self) -> u64 {
        self.requests.iter().map(|id| u64::from(self.sizes[*id as usize])).sum()
    }

    /// How many objects are asked for, how many of them once, and the bytes of all of them.
    pub fn footprint(&self) -> (usize, usize, u64) {
        let mut asked = vec![0u32; self.sizes.len()];
        self.requests.iter().for_each(|id| asked[*id as usize] += 1);
        let bytes = asked.iter().zip(&self.sizes).filter(|(asked, _)| **asked > 0);
        let bytes = bytes.map(|(_, size)| u64::from(*size)).sum();
        let count = |wanted: &dyn Fn(u32) -> bool| asked.iter().filter(|asked| wanted(**asked)).count();
        (count(&|asked| asked > 0), count(&|asked| asked == 1), bytes)
    }
}

fn sizes(random: &mut Random, with: &Parameters, count: usize) -> Vec<u32> {
    (0..count).map(|_| size(random, with)).collect()
}

fn size(random: &mut Random, with: &Parameters) -> u32 {
    let size = with.median * (with.sigma * random.normal()).exp();
    (size as u32).clamp(1, with.largest)
}

/// Objects by rank, and how likely each rank is.
struct Popular {
    /// The object of each rank.
    ids: Vec<u32>,
    /// For each rank, the share of requests for it and those before it.
    shares: Vec<f64>,
}

impl Popular {
    fn new(count: usize, alpha: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| (rank as f64).powf(-alpha));
        let mut shares: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        shares.iter_mut().for_each(|share| *share /= sum);
        Self { ids: (0..count as u32).collect(), shares }
    }

    fn rank(&self, random: &mut Random) -> usize {
        let share = random.unit();
        self.shares.partition_point(|upto| *upto <= share).min(self.ids.len() - 1)
    }

    fn draw(&self, random: &mut Random) -> u32 {
        self.ids[self.rank(random)]
    }

    fn drift(&mut self, random: &mut Random) {
        let (falls, rises) = (self.rank(random), random.below(self.ids.len()));
        self.ids.swap(falls, rises);
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// Box and Muller's method.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}
