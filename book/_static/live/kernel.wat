;; The convolution of the live engine: four output pixels by eight output channels at a time, in sixteen-byte vectors.
;;
;; Maps are laid out pixel by pixel, channels innermost, so that the values a filter row sees lie side by side.
;; Weights are packed in blocks of eight output channels: [block][tap][input][8]. All pointers count bytes.
(module
  (memory (import "live" "memory") 1)

  (func (export "convolve")
    (param $x i32)        ;; padded input maps
    (param $weights i32)  ;; packed
    (param $bias i32)     ;; one for each output channel, a multiple of eight
    (param $y i32)        ;; output maps
    (param $places i32)   ;; for each output pixel the offset of its window in x
    (param $pixels i32)   ;; number of output pixels
    (param $taps i32)     ;; for each run of inputs its offset in a window
    (param $tapCount i32)
    (param $length i32)   ;; inputs of a run
    (param $blocks i32)   ;; eights of output channels
    (param $pitch i32)    ;; bytes from one output pixel to the next
    (param $relu i32)     ;; 1: negative sums become zero
    (local $block i32) (local $t i32) (local $last i32) (local $tap i32) (local $n i32) (local $offset i32)
    (local $w i32) (local $out i32)
    (local $p0 i32) (local $p1 i32) (local $p2 i32) (local $p3 i32)
    (local $q0 i32) (local $q1 i32) (local $q2 i32) (local $q3 i32)
    (local $low v128) (local $high v128) (local $value v128) (local $biasLow v128) (local $biasHigh v128)
    (local $a0 v128) (local $b0 v128) (local $a1 v128) (local $b1 v128)
    (local $a2 v128) (local $b2 v128) (local $a3 v128) (local $b3 v128)
    (local $floor v128)

    (local.set $last (i32.sub (local.get $pixels) (i32.const 1)))
    (local.set $floor (if (result v128) (local.get $relu)
      (then (v128.const f32x4 0 0 0 0))
      (else (v128.const f32x4 -inf -inf -inf -inf))))

    (loop $nextBlock
      (local.set $biasLow (v128.load (local.get $bias)))
      (local.set $biasHigh (v128.load offset=16 (local.get $bias)))
      (local.set $t (i32.const 0))
      (loop $nextPixels
        ;; The last group of four repeats the last pixel where the pixels have run out.
        (local.set $p0 (i32.add (local.get $x) (i32.load (call $place (local.get $places) (local.get $t) (local.get $last)))))
        (local.set $p1 (i32.add (local.get $x) (i32.load (call $place (local.get $places) (i32.add (local.get $t) (i32.const 1)) (local.get $last)))))
        (local.set $p2 (i32.add (local.get $x) (i32.load (call $place (local.get $places) (i32.add (local.get $t) (i32.const 2)) (local.get $last)))))
        (local.set $p3 (i32.add (local.get $x) (i32.load (call $place (local.get $places) (i32.add (local.get $t) (i32.const 3)) (local.get $last)))))
        (local.set $a0 (local.get $biasLow)) (local.set $b0 (local.get $biasHigh))
        (local.set $a1 (local.get $biasLow)) (local.set $b1 (local.get $biasHigh))
        (local.set $a2 (local.get $biasLow)) (local.set $b2 (local.get $biasHigh))
        (local.set $a3 (local.get $biasLow)) (local.set $b3 (local.get $biasHigh))
        (local.set $w (local.get $weights))
        (local.set $tap (i32.const 0))
        (loop $nextTap
          (local.set $offset (i32.load (i32.add (local.get $taps) (i32.shl (local.get $tap) (i32.const 2)))))
          (local.set $q0 (i32.add (local.get $p0) (local.get $offset)))
          (local.set $q1 (i32.add (local.get $p1) (local.get $offset)))
          (local.set $q2 (i32.add (local.get $p2) (local.get $offset)))
          (local.set $q3 (i32.add (local.get $p3) (local.get $offset)))
          (local.set $n (local.get $length))
          (loop $nextInput
            (local.set $low (v128.load (local.get $w)))
            (local.set $high (v128.load offset=16 (local.get $w)))
            (local.set $value (v128.load32_splat (local.get $q0)))
            (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $value) (local.get $low))))
            (local.set $b0 (f32x4.add (local.get $b0) (f32x4.mul (local.get $value) (local.get $high))))
            (local.set $value (v128.load32_splat (local.get $q1)))
            (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $value) (local.get $low))))
            (local.set $b1 (f32x4.add (local.get $b1) (f32x4.mul (local.get $value) (local.get $high))))
            (local.set $value (v128.load32_splat (local.get $q2)))
            (local.set $a2 (f32x4.add (local.get $a2) (f32x4.mul (local.get $value) (local.get $low))))
            (local.set $b2 (f32x4.add (local.get $b2) (f32x4.mul (local.get $value) (local.get $high))))
            (local.set $value (v128.load32_splat (local.get $q3)))
            (local.set $a3 (f32x4.add (local.get $a3) (f32x4.mul (local.get $value) (local.get $low))))
            (local.set $b3 (f32x4.add (local.get $b3) (f32x4.mul (local.get $value) (local.get $high))))
            (local.set $w (i32.add (local.get $w) (i32.const 32)))
            (local.set $q0 (i32.add (local.get $q0) (i32.const 4)))
            (local.set $q1 (i32.add (local.get $q1) (i32.const 4)))
            (local.set $q2 (i32.add (local.get $q2) (i32.const 4)))
            (local.set $q3 (i32.add (local.get $q3) (i32.const 4)))
            (br_if $nextInput (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
          (br_if $nextTap (i32.lt_u (local.tee $tap (i32.add (local.get $tap) (i32.const 1))) (local.get $tapCount))))

        (local.set $out (call $row (local.get $y) (local.get $t) (local.get $last) (local.get $pitch)))
        (v128.store (local.get $out) (f32x4.pmax (local.get $a0) (local.get $floor)))
        (v128.store offset=16 (local.get $out) (f32x4.pmax (local.get $b0) (local.get $floor)))
        (local.set $out (call $row (local.get $y) (i32.add (local.get $t) (i32.const 1)) (local.get $last) (local.get $pitch)))
        (v128.store (local.get $out) (f32x4.pmax (local.get $a1) (local.get $floor)))
        (v128.store offset=16 (local.get $out) (f32x4.pmax (local.get $b1) (local.get $floor)))
        (local.set $out (call $row (local.get $y) (i32.add (local.get $t) (i32.const 2)) (local.get $last) (local.get $pitch)))
        (v128.store (local.get $out) (f32x4.pmax (local.get $a2) (local.get $floor)))
        (v128.store offset=16 (local.get $out) (f32x4.pmax (local.get $b2) (local.get $floor)))
        (local.set $out (call $row (local.get $y) (i32.add (local.get $t) (i32.const 3)) (local.get $last) (local.get $pitch)))
        (v128.store (local.get $out) (f32x4.pmax (local.get $a3) (local.get $floor)))
        (v128.store offset=16 (local.get $out) (f32x4.pmax (local.get $b3) (local.get $floor)))
        (br_if $nextPixels (i32.lt_u (local.tee $t (i32.add (local.get $t) (i32.const 4))) (local.get $pixels))))

      (local.set $weights (local.get $w))
      (local.set $bias (i32.add (local.get $bias) (i32.const 32)))
      (local.set $y (i32.add (local.get $y) (i32.const 32)))
      (br_if $nextBlock (i32.lt_u (local.tee $block (i32.add (local.get $block) (i32.const 1))) (local.get $blocks)))))

  (func $smaller (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_u (local.get $a) (local.get $b))))

  ;; Where the table of places holds pixel t, or the last one.
  (func $place (param $places i32) (param $t i32) (param $last i32) (result i32)
    (i32.add (local.get $places) (i32.shl (call $smaller (local.get $t) (local.get $last)) (i32.const 2))))

  ;; Where output pixel t, or the last one, is written.
  (func $row (param $y i32) (param $t i32) (param $last i32) (param $pitch i32) (result i32)
    (i32.add (local.get $y) (i32.mul (call $smaller (local.get $t) (local.get $last)) (local.get $pitch)))))
