-- How a call sounded, as far as packets tell: from the answer to the agent's first audio at the customer; both directions' packets,
-- loss and jitter ("in": from the customer, "out": to him, as his side reported it); the round trip; the estimated opinion score in
-- hundredths (ITU-T G.107), 100 to 450. NULL: not measured.
ALTER TABLE attempt ADD COLUMN first_audio_ms INTEGER;
ALTER TABLE attempt ADD COLUMN packets_in INTEGER;
ALTER TABLE attempt ADD COLUMN lost_in INTEGER;
ALTER TABLE attempt ADD COLUMN jitter_in_us INTEGER;
ALTER TABLE attempt ADD COLUMN mos_in INTEGER;
ALTER TABLE attempt ADD COLUMN packets_out INTEGER;
ALTER TABLE attempt ADD COLUMN lost_out INTEGER;
ALTER TABLE attempt ADD COLUMN jitter_out_us INTEGER;
ALTER TABLE attempt ADD COLUMN mos_out INTEGER;
ALTER TABLE attempt ADD COLUMN round_trip_us INTEGER;
