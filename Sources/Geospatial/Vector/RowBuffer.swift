internal import Glibc

/// A growing byte buffer for COPY BINARY. Raw memory with an unchecked tail: the inner loop appends a few bytes millions of
/// times. Integers are written big-endian, as PostgreSQL's wire format wants.
final class RowBuffer {
  private(set) var base: UnsafeMutableRawPointer
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
  }

  deinit { base.deallocate() }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// Makes room for `more` bytes after the end.
  @inline(__always)
  func reserve(_ more: Int) {
    if count + more > capacity { grow(more) }
  }

  private func grow(_ more: Int) {
    let wanted = max(capacity * 2, count + more)
    let larger = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16)
    larger.copyMemory(from: base, byteCount: count)
    base.deallocate()
    base = larger
    capacity = wanted
  }

  /// Forgets everything from `position` on.
  func rewind(to position: Int) { count = position }

  /// Empties the buffer, and gives back memory that one huge geometry took.
  func clear() {
    count = 0
    if capacity > 16 << 20 {
      base.deallocate()
      capacity = 4 << 20
      base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    }
  }

  @inline(__always)
  func append(_ value: some FixedWidthInteger & BitwiseCopyable) {
    let size = value.bitWidth / 8
    reserve(size)
    (base + count).storeBytes(of: value.bigEndian, as: type(of: value))
    count += size
  }

  func append(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count)
    (base + count).copyMemory(from: start, byteCount: bytes.count)
    count += bytes.count
  }

  /// Room for `size` bytes at the end that the caller fills at once.
  func extend(by size: Int) -> UnsafeMutableRawPointer {
    reserve(size)
    defer { count += size }
    return base + count
  }

  /// Writes over an integer that was appended as a placeholder.
  func patch(_ value: Int32, at position: Int) { (base + position).storeBytes(of: value.bigEndian, as: Int32.self) }
}
