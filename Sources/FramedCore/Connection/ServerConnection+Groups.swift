internal import FramedMessages
internal import ProtobufFacade

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

// What is shown to many streams at once.

extension ServerConnection {
  /// From here on a LATEST stream is told what is published to the group. `newest`: what was published last; a stream that has not
  /// been offered as much is told at once.
  package func join(_ group: LatestGroup, _ stream: ServerStream, newest: LatestGroup.Value?) {
    guard stream.state == .running, stream.isLatest, stream.group == nil, !stream.latestFinishing else { return }
    stream.group = group
    stream.groupIndex = Int32(group.streams.count)
    group.streams.append(.passUnretained(stream))
    if let newest, newest.seq > stream.offered { offer(stream, newest) }
  }

  /// The newest value of the group, for every stream of it. Its `seq` is above that of every value before.
  package func publish(_ group: LatestGroup, _ value: LatestGroup.Value) {
    guard phase == .open else { return }
    group.before = group.value?.seq ?? 0
    group.value = value
    group.frame = []
    let meta = DataMeta(seq: value.seq, removed: value.removed).protobufBytes()
    if value.bytes.count <= Limits.floorFrame - FrameHeader.size - meta.count {
      let length = meta.count + value.bytes.count
      group.frame = [UInt8](unsafeUninitializedCapacity: FrameHeader.size + length) { buffer, count in
        let memory = UnsafeMutableRawBufferPointer(buffer)
        if let start = memory.baseAddress { FrameHeader(length: length, type: .data, aux: meta.count).store(to: start) }
        UnsafeMutableRawBufferPointer(rebasing: memory[FrameHeader.size...]).copyBytes(from: meta)
        UnsafeMutableRawBufferPointer(rebasing: memory[(FrameHeader.size + meta.count)...]).copyBytes(from: value.bytes)
        count = FrameHeader.size + length
      }
    }
    group.remaining = group.streams.count
    guard !group.isQueued else { return }
    group.isQueued = true
    groupQueue.append(group)
  }

  /// A stream that ends once everything has left: its group's newest value is part of that.
  func catchUp(_ stream: ServerStream) {
    if let value = stream.groupNews { offer(stream, value) }
  }

  func leave(_ stream: ServerStream) {
    guard let group = stream.group else { return }
    stream.group = nil
    let last = group.streams.removeLast()
    let place = stream.groupIndex
    last._withUnsafeGuaranteedRef { last in
      guard last !== stream else { return }
      group.streams[Int(place)] = .passUnretained(last)
      last.groupIndex = place
    }
    if group.cursor >= group.streams.count { group.cursor = 0 }
    // The order is another one now; who has the value already is passed over.
    if group.remaining > 0 { group.remaining = group.streams.count }
    if group.streams.isEmpty { group.emptied?() }
  }

  /// A stream is looked at so many turns before its own: by then it is in the cache.
  private static let ahead = 8

  /// Writes values of groups until `limit` bytes wait in the output.
  func writeGroups(upTo limit: Int) {
    while output.count < limit, let group = groupQueue.first {
      guard let value = group.value, group.remaining > 0 else {
        group.isQueued = false
        groupQueue.removeFirst()
        continue
      }
      write(value, of: group, upTo: limit)
    }
  }

  private func write(_ value: LatestGroup.Value, of group: LatestGroup, upTo limit: Int) {
    let size = Int64(value.bytes.count)
    // Nothing in the loop changes who belongs to the group, or the group's turn.
    let (streams, before) = (group.streams, group.before)
    var touched = group.touched
    var (cursor, remaining) = (group.cursor, group.remaining)
    group.frame.withUnsafeBytes { frame in
      while remaining > 0, output.count < limit {
        let next = streams[cursor]
        if cursor + Self.ahead < streams.count {
          streams[cursor + Self.ahead]._withUnsafeGuaranteedRef { touched &+= $0.silence &+ UInt64($0.id) }
        }
        cursor = cursor + 1 == streams.count ? 0 : cursor + 1
        remaining -= 1
        next._withUnsafeGuaranteedRef { show(value, frame, before, size, to: $0) }
      }
    }
    group.touched = touched
    group.cursor = cursor
    group.remaining = remaining
  }

  @inline(__always)
  private func show(
    _ value: LatestGroup.Value, _ frame: UnsafeRawBufferPointer, _ before: UInt64, _ size: Int64,
    to stream: ServerStream
  ) {
    if stream.isClear, frame.count > 0 {
      if stream.sendWindow.available < size, !stream.sendWindow.mayBegin(Int(size)) {
        // The group keeps the value for it.
        if stream.offered < value.seq { block(stream) }
        return
      }
      if stream.sendWindow.available >= size, let known = stream.pass(value.seq) {
        write(frame, to: stream, isConflated: known < before, size: Int(size))
        return
      }
    }
    if stream.isInSnapshot || stream.offered < value.seq { offer(stream, value) }
  }

  @inline(__always)
  private func write(_ frame: UnsafeRawBufferPointer, to stream: ServerStream, isConflated: Bool, size: Int) {
    guard let start = frame.baseAddress else { return }
    let memory = output.reserve(frame.count)
    memcpy(memory, start, frame.count)
    FrameHeader.set(stream: stream.id, flags: isConflated ? .conflated : [], at: memory)
    output.commit(frame.count)
    stream.sendWindow.take(size)
    stream.bookmarkAt = now + stream.silence
  }

  /// A stream that had to wait with its group's value: true where it was written.
  func writeGroupNews(_ stream: ServerStream) -> Bool {
    guard !stream.latestFinishing, let group = stream.group, let value = stream.groupNews else { return false }
    let size = value.bytes.count
    guard stream.sendWindow.available >= Int64(size) || (stream.sendWindow.mayBegin(size) && !stream.drainEnds) else {
      if !stream.drainEnds { block(stream) }
      return false
    }
    guard stream.isClear, stream.sendWindow.available >= Int64(size), !group.frame.isEmpty,
      let known = stream.pass(value.seq)
    else {
      offer(stream, value)
      return true
    }
    group.frame.withUnsafeBytes { write($0, to: stream, isConflated: known < group.before, size: size) }
    unblock(stream)
    return true
  }

  private func offer(_ stream: ServerStream, _ value: LatestGroup.Value) {
    offer(stream, key: value.key, seq: value.seq, bytes: value.bytes, removed: value.removed)
  }
}
