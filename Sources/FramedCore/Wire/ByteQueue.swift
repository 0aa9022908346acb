#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A contiguous run of bytes with room at the end: appended at the back, consumed from the front.
///
/// Raw memory instead of an array, so that TLS decrypts into it and encrypts from it without a copy, and the frame
/// loop loads from it without retain, release or exclusivity checks. Belongs to one connection and one event loop.
package final class ByteQueue {
  private var memory: UnsafeMutableRawPointer?
  private var start = 0
  private var end = 0
  private var capacity = 0
  /// Where its memory comes from and goes to.
  package var pool: BlockPool?

  package init() {}

  // Not to the pool: whoever lets go of a connection last need not be on its loop.
  deinit { memory?.deallocate() }

  /// Bytes waiting.
  package var count: Int { @inline(__always) get { end - start } }
  package var isEmpty: Bool { @inline(__always) get { end == start } }
  /// Bytes of memory held.
  package var heldBytes: Int { capacity }

  /// The waiting bytes; valid until the next change.
  package var readable: UnsafeRawBufferPointer {
    @inline(__always) get {
      guard let memory else { return UnsafeRawBufferPointer(start: nil, count: 0) }
      return UnsafeRawBufferPointer(start: memory + start, count: end - start)
    }
  }

  /// Room for `count` bytes behind the waiting ones; ``commit(_:)`` says how many were written.
  @inline(__always)
  package func reserve(_ count: Int) -> UnsafeMutableRawPointer {
    if let memory, capacity - end >= count { return memory + end }
    return grow(count)
  }

  /// How much ``reserve(_:)`` would give without growing.
  package var room: Int { capacity - end }

  @inline(__always)
  package func commit(_ count: Int) {
    assert(end + count <= capacity)
    end += count
  }

  @inline(__always)
  package func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    memcpy(reserve(bytes.count), source, bytes.count)
    end += bytes.count
  }

  package func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { append($0) }
  }

  /// Takes `count` bytes off the front.
  @inline(__always)
  package func consume(_ count: Int) {
    assert(count <= end - start)
    start += count
    if start == end {
      start = 0
      end = 0
    }
  }

  package func removeAll() {
    start = 0
    end = 0
  }

  /// Gives the memory back when nothing waits and more than `keeping` bytes are held.
  package func releaseIfEmpty(keeping: Int = 0) {
    guard isEmpty, capacity > keeping else { return }
    drop()
    memory = nil
    capacity = 0
    start = 0
    end = 0
  }

  private func drop() {
    guard let memory else { return }
    if let pool {
      pool.give(BlockPool.Block(memory: memory, capacity: capacity))
    } else {
      memory.deallocate()
    }
  }

  private func grow(_ count: Int) -> UnsafeMutableRawPointer {
    let waiting = end - start
    if let memory, capacity - waiting >= count, start >= waiting {
      memcpy(memory, memory + start, waiting)
      start = 0
      end = waiting
      return memory + end
    }
    var size = max(capacity, 1024)
    while size - waiting < count { size *= 2 }
    let new: UnsafeMutableRawPointer
    if let block = pool?.take(size) {
      new = block.memory
      size = block.capacity
    } else {
      new = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    }
    if let memory { memcpy(new, memory + start, waiting) }
    drop()
    memory = new
    capacity = size
    start = 0
    end = waiting
    return new + end
  }
}
