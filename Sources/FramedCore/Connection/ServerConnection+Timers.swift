extension ServerConnection {
  /// The least time between two looks at the timers: many streams share one look.
  private static let step = Nanoseconds.milliseconds(5)

  /// Does what time demands, and sets ``nextTimer`` anew.
  ///
  /// Timers are not kept in a heap: calls come and go far faster than they expire. ``nextTimer`` is a lower bound, and a
  /// look at all open streams when it is reached finds the next one.
  package func advance() {
    guard now >= nextTimer, phase != .closing else { return }
    nextTimer = .never
    advanceConnection()
    guard phase != .closing else { return }
    var next = nextTimer
    // Ends change the table while we look at it.
    for stream in Array(streams.values) {
      if now >= stream.nextTimer { expire(stream) }
      next = min(next, stream.nextTimer)
    }
    nextTimer = min(nextTimer, next)
    if nextTimer != .never { nextTimer = max(nextTimer, now + Self.step) }
  }

  private func advanceConnection() {
    guard frameClock.advance(partial: input.count, now) else {
      violation = ConnectionViolation(.protocol, "a frame that drips")
      return connectionLost("a frame that drips")
    }
    arm(frameClock.deadline)
    if phase != .open {
      guard now >= helloDeadline else { return arm(helloDeadline) }
      violation = ConnectionViolation(.protocol, "no HELLO")
      phase = .closing
      return
    }
    if let idle = settings.idleClose, streams.isEmpty {
      guard now < idleSince + idle else { return fail(ConnectionViolation(.idle, "no stream")) }
      arm(idleSince + idle)
    }
    if now >= credentialsEnd {
      credentialsEnd = .never
      expireCredentials()
    }
    arm(credentialsEnd)
    if now >= ageEnd {
      ageEnd = .never
      drain(grace: settings.drainGrace)
    }
    arm(ageEnd)
    if draining {
      if now >= drainEnd {
        for stream in Array(streams.values) { end(stream, because: EndStatus(.unavailable, "the server has drained")) }
        drainEnd = .never
        closeIfDrained()
      }
      arm(drainEnd)
    }
    advancePing()
  }

  private func closeIfDrained() {
    if streams.isEmpty, refusals.isEmpty { phase = .closing }
  }

  /// Only clients that can answer between calls are asked, and only while they have streams open.
  private func advancePing() {
    guard peer.features.contains(PeerSettings.pingAckFeature), !streams.isEmpty else { return }
    if pingInFlight {
      guard now < pingSentAt + settings.pingTimeout else {
        violation = ConnectionViolation(.idle, "no answer to PING")
        return connectionLost("no answer to PING")
      }
      arm(pingSentAt + settings.pingTimeout)
    } else if now >= lastReceived + settings.pingSilence {
      pingDue = true
      pingInFlight = true
      pingSentAt = now
      arm(now + settings.pingTimeout)
    } else {
      arm(lastReceived + settings.pingSilence)
    }
  }

  private func expire(_ stream: ServerStream) {
    if now >= stream.stateDeadline {
      stream.stateDeadline = .never
      switch stream.state {
      case .open:
        end(stream, because: EndStatus(.deadlineExceeded, "the request was not complete in time", refused: true))
      case .cancelling:
        abandon(stream)
      default:
        break
      }
    }
    if now >= stream.deadline {
      stream.deadline = .never
      end(stream, because: EndStatus(.deadlineExceeded, "deadline exceeded"))
    }
    if now >= stream.credentialsAt {
      stream.credentialsAt = .never
      end(
        stream,
        because: EndStatus(
          .unauthenticated, "the token behind the call has expired", details: [.errorInfo("TOKEN_EXPIRED")]))
    }
    if now >= stream.slowAt {
      stream.slowAt = .never
      end(stream, because: .slowConsumer("nothing was taken for \(Limits.slowConsumer / 1_000_000_000) s"))
    }
    if now >= stream.drainAt {
      stream.drainAt = .never
      // What waits is not lost: END says from where to resume.
      guard stream.queue == nil else {
        return end(stream, because: EndStatus(.unavailable, "the server is draining", retryAfterMs: retryAfter()))
      }
      stream.drainEnds = true
      markReady(stream)
    }
    if now >= stream.bookmarkAt {
      stream.bookmarkAt = now + stream.silence
      if stream.state == .running {
        stream.bookmarkDue = true
        markReady(stream)
      } else {
        stream.bookmarkAt = .never
      }
    }
  }

  private func abandon(_ stream: ServerStream) {
    let status = stream.cause ?? EndStatus(.cancelled)
    guard stream.enter(.abandoned) == .abandon else { return }
    stream.end = status
    stream.outgoing = nil
    markReady(stream)
    delegate.abandoned(stream)
  }

  // MARK: Expiry

  /// What lets the client in ends then: so do its streams.
  package func credentialsExpire(in time: Nanoseconds) {
    let (end, overflow) = now.addingReportingOverflow(time)
    credentialsEnd = overflow ? .never : end
    arm(credentialsEnd)
  }

  /// What lets this call in ends then: UNAUTHENTICATED, with its place to resume from.
  package func credentialsExpire(_ stream: ServerStream, in time: Nanoseconds) {
    let (end, overflow) = now.addingReportingOverflow(time)
    stream.credentialsAt = overflow ? .never : end
    arm(stream.credentialsAt)
  }

  /// Every stream ends with UNAUTHENTICATED and its place to resume from, and the connection with them.
  private func expireCredentials() {
    guard phase == .open else { return }
    draining = true
    drainEnd = min(drainEnd, now + settings.handlerGrace)
    arm(drainEnd)
    output.appendGoaway(.auth, lastStream: highestStream, graceMs: 0, reason: "the certificate has expired")
    for stream in Array(streams.values) {
      end(stream, because: EndStatus(.unauthenticated, "the certificate behind the connection has expired"))
    }
    closeIfDrained()
  }

  // MARK: Drain

  /// Announces the end: new calls are refused, unary calls finish, watchers go at random moments of the first half of
  /// the grace, the rest is cancelled at its end.
  package func drain(grace: Nanoseconds) {
    guard phase != .closing, !draining else { return }
    draining = true
    drainEnd = now + grace
    output.appendGoaway(
      .drain, lastStream: highestStream, graceMs: UInt32(clamping: grace / 1_000_000), reason: "drain")
    // BLOCK streams are left to end by themselves, as unary calls are.
    for stream in streams.values where stream.isLatest || (stream.queue.map { $0.kind != .block } ?? false) {
      stream.drainAt = now + random(max(grace / 2, 1))
      arm(stream.drainAt)
    }
    arm(drainEnd)
    if streams.isEmpty, phase == .open { phase = .closing }
  }

  /// Milliseconds until a refused client may come back: spread, so that they do not come at once.
  func retryAfter() -> Int32 {
    guard draining, drainEnd != .never, drainEnd > now else { return 1_000 }
    return Int32(clamping: random((drainEnd - now) / 2_000_000 + 1))
  }
}
