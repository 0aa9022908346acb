/// How long to wait before the next try: doubling from `first` to `most`, each shortened by a random part of up to a half so
/// that many waiting processes do not come back at once.
struct Backoff {
  let first: Duration
  let most: Duration
  private var current: Duration

  init(first: Duration = .milliseconds(50), most: Duration = .seconds(5)) {
    self.first = first
    self.most = most
    current = first
  }

  mutating func next() -> Duration {
    let delay = current * Double.random(in: 0.5...1)
    current = min(most, current * 2)
    return delay
  }

  mutating func reset() { current = first }
}
