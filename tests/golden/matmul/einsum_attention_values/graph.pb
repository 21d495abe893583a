
:
xPlaceholder*
dtype0*
shape:
:
yPlaceholder*
dtype0*
shape:
B
zEinsumxy*
N*
T0*
equationbhqk,bkhd->bqhd"ª